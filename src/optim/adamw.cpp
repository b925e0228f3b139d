#include "optim/adamw.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/full.h>

namespace apollo {
namespace {

constexpr const char* kExpAvg = "exp_avg";
constexpr const char* kExpAvgSq = "exp_avg_sq";

// Neighbouring slots that are updated alike, as one range of the parameters and one of the moments.
struct Stretch {
  int64_t begin = 0;
  int64_t moments_begin = 0;
  int64_t size = 0;
  bool decay = false;
  int64_t num_steps = 0;

  bool goes_on_with(const Stretch& next) const {
    return begin + size == next.begin && moments_begin + size == next.moments_begin &&
           decay == next.decay && num_steps == next.num_steps;
  }
};

// Returns the stretches of those slots of `moments` that lie in the part of the moments that this
// rank keeps. The slots of `moments` are some of those of `parameters`, in the same order.
std::vector<Stretch> equal_stretches(const ParameterLayout& parameters,
                                     const OptimizerState::Buffer& moments,
                                     const std::vector<int64_t>& num_steps,
                                     const std::vector<bool>& trained) {
  std::vector<Stretch> stretches;
  const auto& own_slots = moments.layout->slots();
  size_t own = 0;
  for (size_t i = 0; i < parameters.slots().size() && own < own_slots.size(); ++i) {
    const ParameterSlot& slot = parameters.slots()[i];
    if (slot.spec.name != own_slots[own].spec.name) continue;
    const int64_t offset = own_slots[own].offset;
    const ElementRange here = common_part({offset, moments.layout->end_of(own++)}, moments.part());
    if (!trains(trained, i) || here.size() == 0) continue;
    const Stretch stretch{slot.offset + here.begin - offset, here.begin - moments.begin,
                          here.size(), slot.spec.decay, num_steps[i]};
    if (!stretches.empty() && stretches.back().goes_on_with(stretch)) {
      stretches.back().size += stretch.size;
    } else {
      stretches.push_back(stretch);
    }
  }
  return stretches;
}

}  // namespace

OptimizerState AdamW::fresh_state(const ParameterSet& parameters, ElementRange part) const {
  return {.buffers = {zero_buffer(kExpAvg, group_, parameters, part),
                      zero_buffer(kExpAvgSq, group_, parameters, part)},
          .num_steps = std::vector<int64_t>(parameters.layout().slots().size(), 0)};
}

void AdamW::step(ParameterSet& parameters, OptimizerState& state, double lr,
                 const std::vector<bool>& trained) const {
  const at::NoGradGuard no_grad;
  const ParameterLayout& layout = parameters.layout();
  for (size_t i = 0; i < state.num_steps.size(); ++i) {
    if (trains(trained, i) && belongs_to(group_, layout.slots()[i].spec)) ++state.num_steps[i];
  }
  const OptimizerState::Buffer& exp_avg = state.find(kExpAvg);
  const at::Tensor& exp_avg_sq = state.buffer(kExpAvgSq);
  for (const Stretch& stretch : equal_stretches(layout, exp_avg, state.num_steps, trained)) {
    const auto part = [&](const at::Tensor& buffer) {
      return std::vector<at::Tensor>{buffer.narrow(0, stretch.begin, stretch.size)};
    };
    const auto moments = [&](const at::Tensor& buffer) {
      return std::vector<at::Tensor>{buffer.narrow(0, stretch.moments_begin, stretch.size)};
    };
    const at::Tensor num_steps =
        at::full({}, static_cast<double>(stretch.num_steps), parameters.values().options());
    at::_fused_adamw_(part(parameters.values()), part(parameters.gradients()),
                      moments(exp_avg.values), moments(exp_avg_sq), /*max_exp_avg_sqs=*/{},
                      std::vector<at::Tensor>{num_steps}, lr, options_.beta1, options_.beta2,
                      stretch.decay ? options_.weight_decay : 0.0, options_.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false);
  }
}

}  // namespace apollo
