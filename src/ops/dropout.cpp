#include "ops/dropout.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros_like.h>

#include "ops/parallel_rows.h"
#include "ops/row_tensors.h"

namespace apollo {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class MaskedElements : public torch::autograd::Function<MaskedElements> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const DropoutDraw& draw) {
    save_draw(*context, draw);
    return masked(x, draw);
  }

  static variable_list backward(AutogradContext* context, variable_list grad_outputs) {
    return {masked(grad_outputs[0].contiguous(), saved_draw(*context)), {}};
  }
};

}  // namespace

at::Tensor dropout(const at::Tensor& x, const DropoutDraw& draw, Kernels kernels) {
  if (draw.probability == 0.0) return x;
  if (draw.probability < 1.0 && runs_own_kernels(x, {}, kernels)) {
    return MaskedElements::apply(x, draw);
  }
  return composed_dropout(x, draw);
}

void seed_dropout(at::Device device, uint64_t key) {
  if (device.is_cpu()) return;
  at::Generator generator = at::globalContext().defaultGenerator(device);
  generator.set_current_seed(key);
}

at::Tensor composed_dropout(const at::Tensor& x, const DropoutDraw& draw) {
  if (draw.probability == 0.0) return x;
  if (!x.device().is_cpu()) return at::dropout(x, draw.probability, /*train=*/true);
  if (draw.probability >= 1.0) return x * at::zeros_like(x);
  return x * masked(at::ones(x.sizes(), at::kFloat), draw).to(x.scalar_type());
}

at::Tensor masked(const at::Tensor& x, const DropoutDraw& draw) {
  at::Tensor y = at::empty_like(x);
  with_element_of(x, [&]<class T>(T) {
    const DropoutRows<T> work{
        .width = x.size(-1), .draw = draw, .x_NW = data_of<const T>(x), .y_NW = data_of<T>(y)};
    parallel_rows(num_rows(x), work.width, kBlockRows, [&](int64_t begin, int64_t end) {
      element_kernels<T>().dropout(work, begin, end);
    });
  });
  return y;
}

void save_draw(AutogradContext& context, const DropoutDraw& draw) {
  context.saved_data["dropout"] = draw.probability;
  context.saved_data["dropout_key"] = static_cast<int64_t>(draw.key);
}

DropoutDraw saved_draw(const AutogradContext& context) {
  return {context.saved_data.at("dropout").toDouble(),
          static_cast<uint64_t>(context.saved_data.at("dropout_key").toInt())};
}

}  // namespace apollo
