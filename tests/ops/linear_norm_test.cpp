// A linear layer on a norm that is not kept has the bits of one that is; and what stays in memory.
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <c10/util/intrusive_ptr.h>
#include <gtest/gtest.h>

#include <vector>

#include "ops/elementwise.h"
#include "ops/linear.h"
#include "support/test_device.h"

namespace apollo {
namespace {

at::Tensor draw(at::IntArrayRef shape, uint64_t seed) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty(shape, at::kFloat).normal_(0.0, 1.0, random).to(test_device());
}

// The residual stream around a linear layer, and leaves with a buffer for their gradient.
struct Stream {
  at::Tensor residual, branch, branch_bias, norm_weight, norm_bias, weight, bias;
  WeightOrder order;
  NormKind kind = NormKind::kLayer;

  Stream(int64_t rows, int64_t width, WeightOrder weight_order)
      : residual(leaf({rows, width}, 1)),
        branch(leaf({rows, width}, 2)),
        branch_bias(leaf({width}, 3)),
        norm_weight(leaf({width}, 4)),
        norm_bias(leaf({width}, 5)),
        weight(weight_order == WeightOrder::kInOut ? leaf({width, 11}, 6) : leaf({11, width}, 6)),
        bias(leaf({11}, 7)),
        order(weight_order) {}

  SumAndNorm norm(Kernels kernels = Kernels::kFused) const {
    if (kind == NormKind::kRms) {
      return add_and_norm(residual, {branch, branch_bias},
                          {.weight_W = norm_weight, .epsilon = 1e-5, .kind = kind}, kernels);
    }
    return add_and_norm(residual, {branch, branch_bias}, {norm_weight, norm_bias, 1e-5}, kernels);
  }
  LinearLayer layer() const { return {weight, bias, order}; }
  std::vector<at::Tensor> gradients() const {
    return {residual.grad(),  branch.grad(), branch_bias.grad(), norm_weight.grad(),
            norm_bias.grad(), weight.grad(), bias.grad()};
  }

 private:
  static at::Tensor leaf(at::IntArrayRef shape, uint64_t seed) {
    at::Tensor made = draw(shape, seed).requires_grad_(true);
    made.mutable_grad() = at::zeros_like(made);
    return made;
  }
};

struct Product {
  bool with_bias;

  // Takes a Norm, or only its value.
  template <class X>
  at::Tensor operator()(const X& x, const LinearLayer& layer) const {
    return with_bias ? linear(x, layer, Kernels::kFused)
                     : linear_without_bias(x, layer, Kernels::kFused);
  }
};

void backward_from(const std::vector<at::Tensor>& results) {
  at::Tensor total = at::zeros_like(results[0].sum());
  for (size_t i = 0; i < results.size(); ++i)
    total = total + (results[i] * draw(results[i].sizes(), 20 + i)).sum();
  total.backward();
}

TEST(LinearOfNorm, HasTheBitsOfOneWhoseInputIsKept) {
  for (const InstructionSet set :
       {InstructionSet::kPortable, InstructionSet::kAvx2, InstructionSet::kAvx512}) {
    if (!is_supported(set)) continue;
    const InstructionSetScope scope(set);
    for (const WeightOrder order : {WeightOrder::kInOut, WeightOrder::kOutIn}) {
      for (const auto& [rows, width] : {std::pair{1, 1}, {65, 33}, {130, 64}, {3, 100}}) {
        for (const bool with_bias : {true, false}) {
          // GPT-2 continues with the sum, BERT with the norm.
          for (const auto& [by_norm, kind] : {std::pair{true, NormKind::kLayer},
                                              {false, NormKind::kLayer},
                                              {false, NormKind::kRms}}) {
            const Product product{with_bias};
            Stream again(rows, width, order), kept(rows, width, order);
            again.kind = kept.kind = kind;
            const SumAndNorm a = again.norm(), k = kept.norm();
            const at::Tensor y = product(a.norm, again.layer());
            const at::Tensor expected = product(k.norm.value, kept.layer());
            EXPECT_TRUE(y.equal(expected));
            backward_from({y, by_norm ? a.norm.value : a.sum});
            backward_from({expected, by_norm ? k.norm.value : k.sum});
            const auto found = again.gradients(), wanted = kept.gradients();
            for (size_t i = 0; i < found.size(); ++i)
              EXPECT_TRUE(found[i].equal(wanted[i])) << "gradient " << i;
          }
        }
      }
    }
  }
}

// Whether the memory of the norm's value is released when only the product is left.
bool is_freed(Kernels kernels) {
  const Stream stream(65, 33, WeightOrder::kInOut);
  SumAndNorm made = stream.norm(kernels);
  const at::Storage storage = made.norm.value.storage();
  const at::Tensor y = linear(made.norm, stream.layer(), Kernels::kFused);
  made = {};
  return storage.use_count() == 1;
}

TEST(LinearOfNorm, KeepsNoNormThatOwnKernelsMade) {
  APOLLO_SKIP_UNLESS_ON_CPU("own kernels are the CPU's");
  EXPECT_TRUE(is_freed(Kernels::kFused));
  EXPECT_FALSE(is_freed(Kernels::kReference));
}

TEST(LinearOfNorm, WithoutGradientIsTheSame) {
  const Stream stream(9, 20, WeightOrder::kOutIn);
  const auto run = [&] { return linear(stream.norm().norm, stream.layer(), Kernels::kFused); };
  const at::Tensor with = run().detach();
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(run().equal(with));
}

}  // namespace
}  // namespace apollo
