#include "model/recompute.h"

#include <ATen/Context.h>
#include <ATen/core/grad_mode.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

namespace apollo {
namespace {

at::Generator default_generator(at::Device device) {
  return at::globalContext().defaultGenerator(device);
}

// What the backward pass needs to run the block again, apart from its input.
struct BlockRecord : torch::CustomClassHolder {
  BlockFunction block;
  Precision precision = Precision::kFp32;
  Kernels kernels = Kernels::kFused;
  // State of the device's generator before the block; undefined without dropout, or on a CPU, whose
  // dropout is keyed.
  at::Tensor random_state;
};

// Restores the generator's earlier state during its lifetime; later draws of others do not change.
class RandomStateScope {
 public:
  RandomStateScope(const at::Tensor& state, at::Device device) {
    if (!state.defined()) return;
    generator_ = default_generator(device);
    before_ = generator_.get_state();
    generator_.set_state(state);
  }
  ~RandomStateScope() {
    if (before_.defined()) generator_.set_state(before_);
  }
  RandomStateScope(const RandomStateScope&) = delete;
  RandomStateScope& operator=(const RandomStateScope&) = delete;

 private:
  at::Generator generator_;
  at::Tensor before_;
};

// The gradients of the block's weights go into their own .grad when the block runs again. Only the
// gradient of its input is passed on.
class RecomputedBlock : public torch::autograd::Function<RecomputedBlock> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext* context, const at::Tensor& x_BTW,
                            const c10::intrusive_ptr<BlockRecord>& record) {
    context->saved_data["record"] = c10::IValue::make_capsule(record);
    context->save_for_backward({x_BTW});
    return record->block(x_BTW);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 torch::autograd::variable_list grad_outputs) {
    const auto capsule = context->saved_data["record"].toCapsule();
    const auto& record = static_cast<const BlockRecord&>(*capsule);
    const at::Tensor x_BTW = context->get_saved_variables()[0].detach().requires_grad_(true);
    at::Tensor y_BTW;
    {
      const at::AutoGradMode with_gradient(true);
      const PrecisionScope precision(record.precision, record.kernels, x_BTW.device());
      const RandomStateScope random(record.random_state, x_BTW.device());
      y_BTW = record.block(x_BTW);
    }
    torch::autograd::backward({y_BTW}, {grad_outputs[0]});
    return {x_BTW.grad(), at::Tensor()};
  }
};

}  // namespace

at::Tensor without_gradient(const std::function<at::Tensor()>& frozen_part,
                            const PassOptions& options) {
  const bool records = at::GradMode::is_enabled();
  const at::NoGradGuard no_grad;
  at::Tensor x_BTW = frozen_part();
  // A recomputed block takes part in the backward pass only through its input.
  if (options.recompute && records) x_BTW.requires_grad_(true);
  return x_BTW;
}

at::Tensor run_block(const BlockFunction& block, const at::Tensor& x_BTW, bool has_dropout,
                     const PassOptions& options) {
  if (!options.recompute || !at::GradMode::is_enabled()) return block(x_BTW);
  auto record = c10::make_intrusive<BlockRecord>();
  record->block = block;
  record->precision = options.precision;
  record->kernels = options.kernels;
  if (has_dropout && options.training && !x_BTW.device().is_cpu()) {
    record->random_state = default_generator(x_BTW.device()).get_state();
  }
  return RecomputedBlock::apply(x_BTW, record);
}

}  // namespace apollo
