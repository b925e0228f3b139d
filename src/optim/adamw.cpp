#include "optim/adamw.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros_like.h>

namespace apollo {
namespace {

constexpr const char* kExpAvg = "exp_avg";
constexpr const char* kExpAvgSq = "exp_avg_sq";

// Neighbouring slots that are updated alike, as one range of the buffer.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
  bool decay = false;
  int64_t num_steps = 0;
};

bool trains(const std::vector<bool>& trained, size_t slot) {
  return trained.empty() || trained[slot];
}

std::vector<Range> equal_ranges(const ParameterLayout& layout,
                                const std::vector<int64_t>& num_steps,
                                const std::vector<bool>& trained) {
  std::vector<Range> ranges;
  const auto& slots = layout.slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!trains(trained, i)) continue;
    const int64_t end = i + 1 < slots.size() ? slots[i + 1].offset : layout.total_size();
    if (ranges.empty() || ranges.back().end != slots[i].offset ||
        ranges.back().decay != slots[i].spec.decay || ranges.back().num_steps != num_steps[i]) {
      ranges.push_back({slots[i].offset, end, slots[i].spec.decay, num_steps[i]});
    }
    ranges.back().end = end;
  }
  return ranges;
}

}  // namespace

OptimizerState AdamW::fresh_state(const ParameterSet& parameters) const {
  return {.buffers = {{kExpAvg, at::zeros_like(parameters.values())},
                      {kExpAvgSq, at::zeros_like(parameters.values())}},
          .num_steps = std::vector<int64_t>(parameters.layout().slots().size(), 0)};
}

void AdamW::step(ParameterSet& parameters, OptimizerState& state, double lr,
                 const std::vector<bool>& trained) const {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < state.num_steps.size(); ++i) {
    if (trains(trained, i)) ++state.num_steps[i];
  }
  const at::Tensor& exp_avg = state.buffer(kExpAvg);
  const at::Tensor& exp_avg_sq = state.buffer(kExpAvgSq);
  for (const Range& range : equal_ranges(parameters.layout(), state.num_steps, trained)) {
    const auto part = [&](const at::Tensor& buffer) {
      return std::vector<at::Tensor>{buffer.slice(0, range.begin, range.end)};
    };
    const at::Tensor num_steps =
        at::full({}, static_cast<double>(range.num_steps), parameters.values().options());
    at::_fused_adamw_(part(parameters.values()), part(parameters.gradients()), part(exp_avg),
                      part(exp_avg_sq), /*max_exp_avg_sqs=*/{}, std::vector<at::Tensor>{num_steps},
                      lr, options_.beta1, options_.beta2, range.decay ? options_.weight_decay : 0.0,
                      options_.epsilon, /*amsgrad=*/false, /*maximize=*/false);
  }
}

}  // namespace apollo
