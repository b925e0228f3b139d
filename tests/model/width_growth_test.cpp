// Growth in width against the definitions of FPI and AKI on small integers, and FPI's promise: the
// grown model computes the same as the small one, up to rounding.
#include "model/width_growth.h"

#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include "arch/parameter_spec.h"
#include "base/error.h"
#include "base/file.h"
#include "config/enum_names.h"
#include "model/growth.h"
#include "model/hf_folder.h"
#include "model/made_up_model.h"
#include "model/transformers_logits.h"
#include "support/test_device.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

ModelSpec small(Architecture architecture) {
  ModelSpec spec = small_spec(/*final_layers=*/3);
  spec.shape.architecture = architecture;
  spec.norm_epsilon = architecture == Architecture::kBert ? 1e-12 : 1e-5;
  return spec;
}

// Returns a spec that is `times` as wide, with `times` as many heads.
ModelSpec times_as_wide(ModelSpec spec, int64_t times) {
  spec.shape.width *= times;
  spec.shape.heads *= times;
  return spec;
}

at::Tensor matrix(std::vector<double> values, int64_t rows) {
  return at::tensor(values, at::kDouble).view({rows, -1});
}

// Two neurons become three, with two copies of the first; three inner neurons become five.
WidthMaps tiny_maps() {
  return {duplication_map(2, 3), duplication_map(2, 3), duplication_map(3, 5)};
}

TEST(FunctionPreservingInitialization, CopiesOutputsAndDividesInputs) {
  const at::Tensor w = matrix({2, 4, 6, 8, 10, 12}, 2);  // residual -> inner
  const at::Tensor grown = grow_tensor(w, {axes::kResidualIn, axes::kInnerOut}, tiny_maps());
  EXPECT_TRUE(grown.equal(matrix({1, 2, 3, 1, 2,     //
                                  8, 10, 12, 8, 10,  //
                                  1, 2, 3, 1, 2},
                                 3)));
  const at::Tensor back = grow_tensor(w.t(), {axes::kInnerIn, axes::kResidualOut}, tiny_maps());
  EXPECT_TRUE(back.equal(matrix({1, 4, 1,   //
                                 2, 5, 2,   //
                                 6, 12, 6,  //
                                 1, 4, 1,   //
                                 2, 5, 2},
                                5)));
}

TEST(FunctionPreservingInitialization, CopiesHeadsOfEachOfQueriesKeysAndValues) {
  const at::Tensor bias = at::tensor({1., 2., 3., 4., 5., 6.}, at::kDouble);
  EXPECT_TRUE(grow_tensor(bias, {axes::kQkvOut}, tiny_maps())
                  .equal(at::tensor({1., 2., 1., 3., 4., 3., 5., 6., 5.}, at::kDouble)));
}

TEST(FunctionPreservingInitialization, KeepsAnyLinearMapThroughCopiedNeurons) {
  const at::Tensor w = matrix({2, -4, 6, 8, 10, -12}, 2);
  const at::Tensor x = at::tensor({3., -5.}, at::kDouble);
  const WidthMaps maps = tiny_maps();
  const at::Tensor grown_x = grow_tensor(x, {axes::kResidualOut}, maps);
  const at::Tensor grown_w = grow_tensor(w, {axes::kResidualIn, axes::kInnerOut}, maps);
  const at::Tensor expected = grow_tensor(x.matmul(w), {axes::kInnerOut}, maps);
  EXPECT_TRUE(grown_x.matmul(grown_w).equal(expected));
}

TEST(AdvancedKnowledgeInitialization, TakesAddedOutputsFromTheLayerAbove) {
  const at::Tensor own = matrix({2, 4, 6, 8, 10, 12}, 2);
  const at::Tensor above = matrix({20, 40, 60, 80, 100, 120}, 2);
  // The first three columns come from FPI of the layer itself, the other two from FPI of the one
  // above.
  EXPECT_TRUE(grow_tensor(own, above, {axes::kResidualIn, axes::kInnerOut}, tiny_maps())
                  .equal(matrix({1, 2, 3, 10, 20,     //
                                 8, 10, 12, 80, 100,  //
                                 1, 2, 3, 10, 20},
                                3)));
  const at::Tensor bias = at::tensor({1., 2., 3., 4., 5., 6.}, at::kDouble);
  EXPECT_TRUE(grow_tensor(bias, -bias, {axes::kQkvOut}, tiny_maps())
                  .equal(at::tensor({1., 2., -1., 3., 4., -3., 5., 6., -5.}, at::kDouble)));
  const at::Tensor gain = at::tensor({7., 8.}, at::kDouble);
  EXPECT_TRUE(grow_tensor(gain, -gain, {axes::kPerResidual}, tiny_maps())
                  .equal(at::tensor({7., 8., 7.}, at::kDouble)));
}

TEST(AdvancedKnowledgeInitialization, OfAModelLooksOneLayerUpAndNotFromTheTop) {
  for (const Architecture architecture : {Architecture::kGpt2, Architecture::kBert}) {
    const auto source = random_model(small(architecture), 3);
    const ModelSpec spec = times_as_wide(source->spec(), 2);
    const auto fpi = widen_model(*source, spec, WidthRule::kFpi, /*seed=*/1);
    const auto aki = widen_model(*source, spec, WidthRule::kAki, /*seed=*/1);
    for (const ParameterSlot& slot : fpi->parameters().layout().slots()) {
      const at::Tensor a = fpi->parameters().tensor(slot.spec.name);
      const at::Tensor b = aki->parameters().tensor(slot.spec.name);
      bool has_output = false;
      for (const Axis& axis : slot.spec.axes)
        has_output |= axis.role == AxisRole::kOutput;
      const bool differs = slot.spec.layer >= 0 && slot.spec.layer < 2 && has_output;
      EXPECT_EQ(a.equal(b), !differs) << slot.spec.name;
    }
  }
}

TEST(WidthGrowth, KeepsTheFunctionWhereTheWidthIsMultiplied) {
  for (const Architecture architecture : {Architecture::kGpt2, Architecture::kBert}) {
    const auto source = random_model(small(architecture), 3);
    const at::Tensor inputs = random_tokens(source->spec(), 3, 12);
    const at::Tensor expected = logits_at(*source, inputs, 3);
    for (const int64_t times : {1, 2, 3, 5}) {
      const auto wide =
          widen_model(*source, times_as_wide(source->spec(), times), WidthRule::kFpi, /*seed=*/1);
      // Sums of 5 * 80 products of float32, three blocks deep.
      EXPECT_LT(largest_difference(logits_at(*wide, inputs, 3), expected),
                2e-5 * expected.abs().max().item<double>())
          << enum_name(architecture) << " times " << times;
    }
  }
}

TEST(WidthGrowth, ChangesTheFunctionLittleWhereTheWidthIsNoMultiple) {
  const auto source = random_model(small(Architecture::kGpt2), 3);
  ModelSpec spec = source->spec();
  spec.shape.width = 30;
  spec.shape.heads = 3;
  const auto wide = widen_model(*source, spec, WidthRule::kFpi, /*seed=*/1);
  const at::Tensor inputs = random_tokens(source->spec(), 3, 12);
  const double difference =
      largest_difference(logits_at(*wide, inputs, 3), logits_at(*source, inputs, 3));
  EXPECT_GT(difference, 1e-3);
}

TEST(WidthGrowth, KeepsTheFunctionWithAnInnerWidthThatIsNoMultiple) {
  ModelSpec spec = small(Architecture::kBert);
  spec.shape.inner = 50;
  const auto source = random_model(spec, 2);
  ModelSpec wider = times_as_wide(spec, 2);
  wider.shape.inner = 77;
  const at::Tensor inputs = random_tokens(spec, 2, 12);
  const auto wide = widen_model(*source, wider, WidthRule::kFpi, /*seed=*/1);
  const at::Tensor expected = logits_at(*source, inputs, 2);
  EXPECT_LT(largest_difference(logits_at(*wide, inputs, 2), expected),
            2e-5 * expected.abs().max().item<double>());
}

TEST(WidthGrowth, KeepsPositionsAndInitialisesFurtherOnes) {
  const auto source = random_model(small(Architecture::kGpt2), 2);
  ModelSpec spec = times_as_wide(source->spec(), 2);
  spec.shape.context = 20;
  const auto wide = widen_model(*source, spec, WidthRule::kFpi, /*seed=*/5);
  const at::Tensor inputs = random_tokens(source->spec(), 3, 12);
  const at::Tensor expected = logits_at(*source, inputs, 2);
  EXPECT_LT(largest_difference(logits_at(*wide, inputs, 2), expected),
            2e-5 * expected.abs().max().item<double>());
  const auto fresh = make_model(spec, 2, test_device());
  fresh->parameters().initialize(5);
  const std::string name = "transformer.wpe.weight";
  EXPECT_TRUE(wide->parameters().tensor(name).slice(0, 12).equal(
      fresh->parameters().tensor(name).slice(0, 12)));
}

TEST(WidthGrowth, RefusesModelsThatDifferInMore) {
  const auto source = random_model(small(Architecture::kGpt2), 1);
  ModelSpec spec = times_as_wide(source->spec(), 2);
  spec.shape.vocab_size += 1;
  EXPECT_EQ(
      thrown_text<UsageError>([&] { widen_model(*source, spec, WidthRule::kFpi, /*seed=*/1); }),
      "growth in width: the models differ in more than width, heads, inner width and context");
}

// In float64 only the rounding of the weights is left. At twice the width there is none, because a
// division by two is exact.
TEST(WidthGrowth, TransformersFindsTheSameFunctionInFloat64) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  const TempDir dir;
  std::vector<fs::path> folders;
  const auto save = [&](const LanguageModel& model) {
    folders.push_back(dir / fmt::format("model-{}", folders.size()));
    fs::create_directory(folders.back());
    save_hf_model(model, folders.back(), {});
  };
  constexpr Architecture kBoth[] = {Architecture::kGpt2, Architecture::kBert};
  for (const Architecture architecture : kBoth) {
    const auto source = random_model(small(architecture), 3);
    save(*source);
    for (const int64_t times : {2, 3})
      save(*widen_model(*source, times_as_wide(source->spec(), times), WidthRule::kFpi, 1));
  }
  const at::Tensor inputs = random_tokens(small(Architecture::kGpt2), 3, 12);
  const std::vector<at::Tensor> logits = transformers_logits64(folders, inputs);
  for (size_t first = 0; first < logits.size(); first += 3) {
    const at::Tensor& expected = logits[first];
    ASSERT_EQ(expected.scalar_type(), at::kDouble);
    const double size = expected.abs().max().item<double>();
    EXPECT_LT(largest_difference(logits[first + 1], expected), 1e-10 * size) << first;
    // Thirds are rounded to float32.
    EXPECT_LT(largest_difference(logits[first + 2], expected), 1e-5 * size) << first;
  }
}

}  // namespace
}  // namespace apollo
