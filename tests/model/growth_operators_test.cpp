// LiGO's operators: where learning starts they equal FPI and the layer map, they compute
// W'_i = sum_j w_ij B W_j A^T, and their gradients are those of the loss.
#include "model/growth_operators.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "arch/parameter_spec.h"
#include "config/enum_names.h"
#include "model/growth.h"
#include "model/made_up_model.h"
#include "model/width_growth.h"
#include "progressive/source_model.h"
#include "support/test_device.h"

namespace apollo {
namespace {

ModelSpec small(Architecture architecture) {
  ModelSpec spec = small_spec(/*final_layers=*/5);
  spec.shape.architecture = architecture;
  spec.shape.width = 6;
  spec.norm_epsilon = architecture == Architecture::kBert ? 1e-12 : 1e-5;
  return spec;
}

ModelSpec wider(ModelSpec spec) {
  spec.shape.width = 9;
  spec.shape.heads = 3;
  return spec;
}

void shake(ParameterSet& operators, double size) {
  const at::NoGradGuard no_grad;
  auto random = at::make_generator<at::CPUGeneratorImpl>(uint64_t{17});
  for (const ParameterSlot& slot : operators.layout().slots()) {
    slot_view(operators.values(), slot)
        .add_(at::empty(slot.spec.shape, at::kFloat).normal_(0.0, size, random).to(test_device()));
  }
}

const LayerMap kLayers = {0, 1, 0, 1, 1};

TEST(GrowthOperators, BeginAsFunctionPreservingGrowth) {
  for (const Architecture architecture : {Architecture::kGpt2, Architecture::kBert}) {
    const auto source = random_model(small(architecture), 2);
    const ModelSpec spec = wider(source->spec());
    const GrowthOperators operators(*source, spec, kLayers, /*seed=*/1);
    const auto expected = grow_model(*widen_model(*source, spec, WidthRule::kFpi, 1), kLayers);
    EXPECT_LT(largest_difference(operators.expand(), expected->parameters().values()), 1e-6);
  }
}

TEST(GrowthOperators, ComputeTheProductsOfThePaper) {
  const auto source = random_model(small(Architecture::kGpt2), 2);
  GrowthOperators operators(*source, wider(source->spec()), kLayers, /*seed=*/1);
  shake(operators.parameters(), 0.3);
  const auto large = make_model(wider(source->spec()), 5, test_device());
  const at::NoGradGuard no_grad;
  large->parameters().values().copy_(operators.expand());

  const ParameterSet& p = operators.parameters();
  const at::Tensor residual = p.tensor("residual"), value = p.tensor("value");
  const auto small_part = [&](const char* part, int64_t layer) {
    return source->parameters().part(part, layer);
  };
  EXPECT_LT(largest_difference(large->parameters().part("wte.weight", -1),
                               small_part("wte.weight", -1).matmul(residual.t())),
            1e-5);
  // Of six neurons the first three have two copies.
  const at::Tensor counts = at::tensor({2., 2., 2., 1., 1., 1.}, residual.options());
  const at::Tensor inputs = residual / counts;
  EXPECT_LT(largest_difference(large->parameters().part("ln_f.weight", -1),
                               inputs.matmul(small_part("ln_f.weight", -1))),
            1e-5);
  const at::Tensor w = p.tensor("depth.attn.c_proj");
  ASSERT_EQ(w.sizes(), (at::IntArrayRef{5, 2}));
  for (int64_t i = 0; i < 5; ++i) {
    at::Tensor expected = at::zeros({9, 9}, residual.options());
    for (int64_t j = 0; j < 2; ++j) {
      // Stored as [in, out]: the inputs are values.
      expected += w[i][j] *
                  (value / counts).matmul(small_part("attn.c_proj.weight", j)).matmul(residual.t());
    }
    EXPECT_LT(largest_difference(large->parameters().part("attn.c_proj.weight", i), expected),
              1e-5);
  }
  const at::Tensor q = p.tensor("query");
  at::Tensor queries = at::zeros({9, 9}, residual.options());
  for (int64_t j = 0; j < 2; ++j) {
    queries += p.tensor("depth.attn.c_attn")[3][j] *
               inputs.matmul(small_part("attn.c_attn.weight", j).slice(1, 0, 6)).matmul(q.t());
  }
  EXPECT_LT(
      largest_difference(large->parameters().part("attn.c_attn.weight", 3).slice(1, 0, 9), queries),
      1e-5);
}

// Along a random direction in the space of the operators, by differences of the loss.
TEST(GrowthOperators, LearnByTheGradientOfTheLoss) {
  for (const Architecture architecture : {Architecture::kGpt2, Architecture::kBert}) {
    const auto source = random_model(small(architecture), 2);
    GrowthOperators operators(*source, wider(source->spec()), kLayers, /*seed=*/1);
    shake(operators.parameters(), 0.1);
    const auto large = make_model(wider(source->spec()), 5, test_device());
    const DeviceBatch batch{random_tokens(large->spec(), 4, 12, 1),
                            random_tokens(large->spec(), 4, 12, 2).flatten()};
    const auto loss = [&] {
      const at::Tensor expanded = operators.expand();
      {
        const at::NoGradGuard no_grad;
        large->parameters().values().copy_(expanded);
      }
      large->parameters().zero_gradients();
      const at::Tensor sum = large->loss_sum(batch, large->blocks(5), {});
      sum.backward();
      (expanded * large->parameters().gradients()).sum().backward();
      return sum.item<double>();
    };
    loss();
    const at::Tensor gradient = operators.parameters().gradients().clone();
    for (const ParameterSlot& slot : operators.parameters().layout().slots()) {
      EXPECT_GT(slot_view(gradient, slot).abs().max().item<double>(), 0.0) << slot.spec.name;
    }
    const at::NoGradGuard no_grad;
    const at::Tensor direction = gradient / gradient.norm();
    constexpr double kStep = 2e-3;
    const auto loss_at = [&](double distance) {
      const at::AutoGradMode grad(true);
      operators.parameters().values().data().add_(direction, distance);
      const double found = loss();
      operators.parameters().values().data().sub_(direction, distance);
      return found;
    };
    const double slope = (loss_at(kStep) - loss_at(-kStep)) / (2.0 * kStep);
    EXPECT_NEAR(slope / gradient.norm().item<double>(), 1.0, 1e-2) << enum_name(architecture);
  }
}

// 2 m n k of every product, from what the parameters say of themselves.
TEST(GrowthOperators, CostWhatTheirProductsCost) {
  for (const Architecture architecture : {Architecture::kGpt2, Architecture::kBert}) {
    ModelSpec from = small(architecture);
    from.shape.inner = 17;
    ModelSpec to = wider(from);
    to.shape.inner = 29;
    const auto grown = [](const Axis& axis, int64_t size, const ModelSpec& target) {
      switch (axis.neurons) {
        case Neurons::kFixed:
          return size;
        case Neurons::kQkv:
          return 3 * target.shape.width;
        case Neurons::kInner:
          return target.shape.inner_width();
        default:
          return target.shape.width;
      }
    };
    double flops = 0.0;
    for (const ParameterSpec& spec : model_parameters(from, 2)) {
      std::vector<int64_t> shape = spec.shape;
      for (const bool residual : {true, false}) {
        for (size_t d = 0; d < shape.size(); ++d) {
          const Axis& axis = spec.axes.at(d);
          if (axis.neurons == Neurons::kFixed || (axis.neurons == Neurons::kResidual) != residual)
            continue;
          double others = 1.0;
          for (size_t e = 0; e < shape.size(); ++e)
            others *= e == d ? 1.0 : static_cast<double>(shape[e]);
          const int64_t size = grown(axis, shape[d], to);
          const double parts = axis.neurons == Neurons::kQkv ? 3.0 : 1.0;
          flops += 2.0 * others * static_cast<double>(shape[d]) * static_cast<double>(size) / parts;
          shape[d] = size;
        }
      }
    }
    flops += 2.0 * 5 * 2 * static_cast<double>(num_layer_parameters(to.shape));
    from.shape.layers = 2;
    EXPECT_DOUBLE_EQ(growth_operator_flops(from.shape, to.shape, 5), flops)
        << enum_name(architecture);
  }
}

}  // namespace
}  // namespace apollo
