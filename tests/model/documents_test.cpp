// Documents that share a sequence: none sees another, whatever the architecture.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include "model/made_up_model.h"

namespace apollo {
namespace {

constexpr int64_t kLength = 12;
constexpr int64_t kSecond = 5;  // where the second document begins

struct Packed {
  explicit Packed(const ModelSpec& spec)
      : model(random_model(spec, /*num_layers=*/2)), inputs(random_tokens(spec, 2, kLength)) {
    documents = at::zeros_like(inputs);
    documents.slice(1, kSecond).fill_(1);
  }

  at::Tensor logits(const at::Tensor& inputs_BT, Kernels kernels) const {
    const at::NoGradGuard no_grad;
    return model->logits({.inputs_BT = inputs_BT, .documents_BT = documents}, model->blocks(3),
                         {.kernels = kernels});
  }

  std::unique_ptr<LanguageModel> model;
  at::Tensor inputs, documents;
};

TEST(Documents, NoneSeesAnother) {
  for (const Architecture architecture : kAllArchitectures) {
    const Packed packed(small_spec_of(architecture, 3));
    at::Tensor changed = packed.inputs.clone();
    changed.slice(1, 0, kSecond).add_(1).remainder_(31);
    for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
      SCOPED_TRACE(enum_name(architecture));
      const at::Tensor before = packed.logits(packed.inputs, kernels);
      const at::Tensor after = packed.logits(changed, kernels);
      EXPECT_GT(largest_difference(before.slice(1, 0, kSecond), after.slice(1, 0, kSecond)), 0.01);
      EXPECT_LT(largest_difference(before.slice(1, kSecond), after.slice(1, kSecond)), 1e-6);
    }
  }
}

// Where positions only count from one another; learned positions count from the sequence's first.
TEST(Documents, ARotatingModelReadsEachAsIfItWereAlone) {
  for (const Architecture architecture : kAllArchitectures) {
    const ModelSpec spec = small_spec_of(architecture, 3);
    const Packed packed(spec);
    const at::Tensor found = packed.logits(packed.inputs, Kernels::kFused);
    const auto first = logits_at(*packed.model, packed.inputs.slice(1, 0, kSecond), 3);
    EXPECT_LT(largest_difference(found.slice(1, 0, kSecond), first), 1e-5);
    if (spec.rope.theta == 0.0) continue;
    const auto second = logits_at(*packed.model, packed.inputs.slice(1, kSecond), 3);
    EXPECT_LT(largest_difference(found.slice(1, kSecond), second), 1e-5);
  }
}

TEST(Documents, GradientsOfOwnKernelsAreThoseOfPlainOperators) {
  for (const Architecture architecture : kAllArchitectures) {
    SCOPED_TRACE(enum_name(architecture));
    const Packed packed(small_spec_of(architecture, 3));
    DeviceBatch batch = masked_batch(packed.model->spec(), 2, kLength);
    batch.documents_BT = packed.documents;
    const auto gradients = [&](Kernels kernels) {
      packed.model->parameters().zero_gradients();
      packed.model->loss_sum(batch, packed.model->blocks(3), {.training = true, .kernels = kernels})
          .backward();
      return packed.model->parameters().gradients().clone();
    };
    const at::Tensor expected = gradients(Kernels::kReference);
    const at::Tensor difference = gradients(Kernels::kFused) - expected;
    EXPECT_LT(at::linalg_vector_norm(difference).item<double>(),
              1e-5 * at::linalg_vector_norm(expected).item<double>());
  }
}

}  // namespace
}  // namespace apollo
