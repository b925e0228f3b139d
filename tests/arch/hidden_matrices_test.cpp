#include "arch/hidden_matrices.h"

#include <gtest/gtest.h>

#include "arch/architecture.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

// "part: rows x columns" of every hidden matrix of a model, in the order of its list.
std::vector<std::string> names_of(const ModelShape& shape, int64_t layers) {
  std::vector<std::string> names;
  for (const ParameterSpec& spec : describe(shape.architecture).parameters({shape}, layers)) {
    for (const HiddenMatrix& matrix : hidden_matrices(spec)) {
      names.push_back(fmt::format("{} {}: {} x {}, {} from {}", spec.layer, spec.part, matrix.rows,
                                  matrix.columns, matrix.size, matrix.first));
    }
  }
  return names;
}

TEST(HiddenMatrices, OfGpt2AreThoseOfItsBlocksWithQueriesKeysAndValuesApart) {
  ModelShape shape = {Architecture::kGpt2, 2, 8, 2, 4, 11};
  shape.set_inner_width(20);
  EXPECT_EQ(names_of(shape, 1),
            (std::vector<std::string>{
                "0 attn.c_attn.weight: 8 x 8, 8 from 0", "0 attn.c_attn.weight: 8 x 8, 8 from 8",
                "0 attn.c_attn.weight: 8 x 8, 8 from 16", "0 attn.c_proj.weight: 8 x 8, 8 from 0",
                "0 mlp.c_fc.weight: 8 x 20, 8 from 0", "0 mlp.c_proj.weight: 20 x 8, 20 from 0"}));
  EXPECT_EQ(names_of(shape, 2).size(), 12U);
  EXPECT_TRUE(names_of(shape, 0).empty());
}

TEST(HiddenMatrices, OfBertLeaveOutItsHead) {
  EXPECT_EQ(names_of({Architecture::kBert, 2, 8, 2, 4, 11}, 1),
            (std::vector<std::string>{"0 attention.self.qkv.weight: 8 x 8, 8 from 0",
                                      "0 attention.self.qkv.weight: 8 x 8, 8 from 8",
                                      "0 attention.self.qkv.weight: 8 x 8, 8 from 16",
                                      "0 attention.output.dense.weight: 8 x 8, 8 from 0",
                                      "0 intermediate.dense.weight: 32 x 8, 32 from 0",
                                      "0 output.dense.weight: 8 x 32, 8 from 0"}));
}

TEST(HiddenMatrices, OfLlamaAndQwen3KnowGroupedQueriesAndGates) {
  for (const Architecture architecture : {Architecture::kLlama, Architecture::kQwen3}) {
    ModelShape shape = {architecture, 2, 8, 4, 4, 11};
    shape.set_inner_width(20);
    shape.set_kv_heads(2);
    shape.set_head_dim(6);
    EXPECT_EQ(names_of(shape, 1),
              (std::vector<std::string>{"0 self_attn.qkv_proj.weight: 24 x 8, 24 from 0",
                                        "0 self_attn.qkv_proj.weight: 12 x 8, 12 from 24",
                                        "0 self_attn.qkv_proj.weight: 12 x 8, 12 from 36",
                                        "0 self_attn.o_proj.weight: 8 x 24, 8 from 0",
                                        "0 mlp.gate_up_proj.weight: 20 x 8, 20 from 0",
                                        "0 mlp.gate_up_proj.weight: 20 x 8, 20 from 20",
                                        "0 mlp.down_proj.weight: 8 x 20, 8 from 0"}));
  }
}

TEST(HiddenMatrices, OfModernBertKnowItsGates) {
  ModelShape shape = {Architecture::kModernBert, 2, 8, 2, 4, 11};
  shape.set_inner_width(20);
  EXPECT_EQ(names_of(shape, 1),
            (std::vector<std::string>{
                "0 attn.Wqkv.weight: 8 x 8, 8 from 0", "0 attn.Wqkv.weight: 8 x 8, 8 from 8",
                "0 attn.Wqkv.weight: 8 x 8, 8 from 16", "0 attn.Wo.weight: 8 x 8, 8 from 0",
                "0 mlp.Wi.weight: 20 x 8, 20 from 0", "0 mlp.Wi.weight: 20 x 8, 20 from 20",
                "0 mlp.Wo.weight: 8 x 20, 8 from 0"}));
}

TEST(HiddenMatrices, MayBeOfUnequalSizes) {
  ParameterSpec spec{.name = "qkv", .part = "qkv", .layer = 0, .shape = {16, 8}};
  spec.matrices = {.dimension = 0, .sizes = {8, 4, 4}};
  const std::vector<HiddenMatrix> found = hidden_matrices(spec);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[1].first, 8);
  EXPECT_EQ(found[1].rows, 4);
  EXPECT_EQ(found[1].columns, 8);
  spec.matrices.sizes = {8, 4};
  EXPECT_EQ(thrown_text<Error>([&] { hidden_matrices(spec); }),
            "parameter 'qkv': its matrices fill 12 of dimension 0, which has 16");
}

TEST(HiddenMatrices, FlopsOfTheirIteration) {
  // Five steps of [3, 7] x [7, 3], [3, 3] x [3, 3] and [3, 3] x [3, 7].
  EXPECT_EQ(newton_schulz_flops(3, 7), 5 * (2 * 3 * 7 * 3 + 2 * 3 * 3 * 3 + 2 * 3 * 3 * 7));
  EXPECT_EQ(newton_schulz_flops(7, 3), newton_schulz_flops(3, 7));
  ModelShape shape = {Architecture::kGpt2, 2, 8, 2, 4, 11};
  shape.set_inner_width(20);
  EXPECT_EQ(newton_schulz_flops(shape),
            4 * newton_schulz_flops(8, 8) + 2 * newton_schulz_flops(8, 20));
}

}  // namespace
}  // namespace apollo
