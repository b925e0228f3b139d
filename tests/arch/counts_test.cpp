#include "arch/counts.h"

#include <gtest/gtest.h>

#include "config/objective.h"
#include "progressive/depth_sampler.h"

namespace apollo {
namespace {

constexpr ModelShape kGpt2Small = {Architecture::kGpt2, 12, 768, 12, 1024, 50257};
constexpr ModelShape kBertBase = {Architecture::kBert, 12, 768, 12, 512, 30522};

TEST(Flops, ParametersOfKnownModels) {
  EXPECT_EQ(num_parameters(kGpt2Small, 12), 124439808);
  EXPECT_EQ(num_parameters({Architecture::kGpt2, 24, 1024, 16, 1024, 50257}, 24), 354823168);
  EXPECT_EQ(num_parameters(kBertBase, 12), 109514298);
  EXPECT_EQ(num_layer_parameters(kGpt2Small), 7087872);
  EXPECT_EQ(num_parameters(kGpt2Small, 3), 124439808 - 9 * 7087872);
}

TEST(Flops, EveryProductOfALayerIsCounted) {
  const ModelShape shape = {Architecture::kGpt2, 1, 8, 2, 4, 11};
  const double rows = 3 * 4, width = 8, head_width = 4;
  const double qkv = 2 * rows * width * 24;
  const double scores = 3 * 2 * (2 * 4 * 4 * head_width);
  const double mixing = 3 * 2 * (2 * 4 * head_width * 4);
  const double output = 2 * rows * width * width;
  const double mlp = 2 * rows * width * 32 + 2 * rows * 32 * width;
  EXPECT_EQ(layer_forward_flops(shape, 3, 4), qkv + scores + mixing + output + mlp);
  EXPECT_EQ(head_forward_flops(shape, 12), 2.0 * 12 * 8 * 11);
  EXPECT_EQ(forward_flops(shape, 5, 3, 4, 7),
            5 * layer_forward_flops(shape, 3, 4) + head_forward_flops(shape, 7));
  EXPECT_EQ(train_flops(shape, 5, 3, 4), 3 * forward_flops(shape, 5, 3, 4, 12));
}

TEST(Flops, RecomputedBlocksRunForwardOnceMore) {
  const ModelShape shape = {Architecture::kGpt2, 1, 8, 2, 4, 11};
  EXPECT_EQ(train_flops(shape, 5, 3, 4, /*recompute=*/true),
            4 * 5 * layer_forward_flops(shape, 3, 4) + 3 * head_forward_flops(shape, 12));
}

TEST(Flops, AnMlpOfAnotherInnerWidth) {
  ModelShape shape = {Architecture::kBert, 1, 8, 2, 4, 11};
  shape.set_inner_width(20);
  const double rows = 12, width = 8;
  EXPECT_EQ(layer_forward_flops(shape, 3, 4),
            2 * rows * width * (24 + 8 + 2 * 20) + 2 * 2 * rows * 4 * width);
  EXPECT_EQ(num_layer_parameters(shape), 4 * (64 + 8) + 2 * 8 * 20 + 20 + 8 + 4 * 8);
  shape.set_inner_width(32);
  EXPECT_EQ(shape, (ModelShape{Architecture::kBert, 1, 8, 2, 4, 11}));
}

TEST(Flops, BertHeadHasATransform) {
  EXPECT_EQ(head_forward_flops(kBertBase, 10), 2.0 * 10 * 768 * (768 + 30522));
  EXPECT_EQ(layer_forward_flops(kBertBase, 2, 512), layer_forward_flops(kGpt2Small, 2, 512));
  EXPECT_EQ(
      train_flops(kBertBase, 12, 2, 77),
      3 * (11 * layer_forward_flops(kBertBase, 2, 512) +
           last_layer_forward_flops(kBertBase, 2, 512, 154) + head_forward_flops(kBertBase, 154)));
}

TEST(Flops, TheLastBlockOfBertEndsAtTheMaskedPositions) {
  const ModelShape shape = {Architecture::kBert, 1, 8, 2, 4, 11};
  const double tokens = 12, width = 8, positions = 5;
  const double last =
      2 * tokens * width * 24 + 2 * 2 * tokens * 4 * width + 2 * positions * width * (8 + 2 * 32);
  EXPECT_EQ(last_layer_forward_flops(shape, 3, 4, 5), last);
  EXPECT_EQ(last_layer_forward_flops(shape, 3, 4, 12), layer_forward_flops(shape, 3, 4));
  EXPECT_EQ(forward_flops(shape, 1, 3, 4, 5), last + head_forward_flops(shape, 5));
  EXPECT_EQ(forward_flops(shape, 0, 3, 4, 5), head_forward_flops(shape, 5));
  const double layer = layer_forward_flops(shape, 3, 4), head = head_forward_flops(shape, 6);
  const double last_of_two = last_layer_forward_flops(shape, 3, 4, 6);
  EXPECT_EQ(train_flops(shape, 5, 3, 2, /*recompute=*/true),
            4 * (4 * layer + last_of_two) + 3 * head);
  EXPECT_EQ(train_flops(shape, 5, 3, 2, /*recompute=*/true, /*frozen=*/3),
            4 * (layer + last_of_two) + 3 * head + 3 * layer);
  EXPECT_EQ(train_flops(shape, 5, 3, 2, /*recompute=*/false, /*frozen=*/5),
            4 * layer + last_of_two + 3 * head);
  const ModelShape gpt = {Architecture::kGpt2, 1, 8, 2, 4, 11};
  EXPECT_EQ(last_layer_forward_flops(gpt, 3, 4, 5), layer_forward_flops(gpt, 3, 4));
}

// Unusual sizes: 6 heads of 10 with a width of 44, 2 key-value heads, an inner width of 52.
ModelShape odd_shape(Architecture architecture) {
  ModelShape shape = {architecture, 5, 44, 6, 9, 23};
  shape.set_head_dim(10);
  shape.set_kv_heads(2);
  shape.set_inner_width(52);
  shape.tied = false;
  return shape;
}

TEST(Flops, GroupedQueriesAndAGatedMlpByHand) {
  const double rows = 3 * 7, length = 7;
  const double projections = 44 * 60 + 2 * 44 * 20 + 60 * 44;
  const double attention = 2 * 60 * length;
  const double mlp = 44 * 52 + 44 * 52 + 52 * 44;
  for (const Architecture architecture : {Architecture::kLlama, Architecture::kQwen3}) {
    const ModelShape shape = odd_shape(architecture);
    EXPECT_EQ(layer_forward_flops(shape, 3, 7), 2 * rows * (projections + attention + mlp));
    EXPECT_EQ(last_layer_forward_flops(shape, 3, 7, 5), layer_forward_flops(shape, 3, 7));
    EXPECT_EQ(head_forward_flops(shape, 11), 2.0 * 11 * 44 * 23);
    EXPECT_EQ(train_flops(shape, 5, 3, 9), 3 * forward_flops(shape, 5, 3, 9, 27));
  }
}

TEST(Flops, ParametersOfLlamaAndQwen3ByHand) {
  ModelShape shape = odd_shape(Architecture::kLlama);
  const int64_t layer = 44 * 60 + 2 * 44 * 20 + 60 * 44 + 3 * 44 * 52 + 2 * 44;
  EXPECT_EQ(num_layer_parameters(shape), layer);
  EXPECT_EQ(num_parameters(shape, 5), 5 * layer + 44 + 2 * 23 * 44);
  shape.tied = true;
  EXPECT_EQ(num_parameters(shape, 5), 5 * layer + 44 + 23 * 44);
  // A norm of queries and one of keys.
  EXPECT_EQ(num_layer_parameters(odd_shape(Architecture::kQwen3)), layer + 2 * 10);
}

TEST(Flops, ParametersOfKnownLlamasAndQwen3s) {
  ModelShape llama = {Architecture::kLlama, 16, 2048, 32, 131072, 128256};  // Llama 3.2 1B
  llama.set_kv_heads(8);
  llama.set_inner_width(8192);
  EXPECT_EQ(num_parameters(llama, 16), 1235814400);
  ModelShape qwen = {Architecture::kQwen3, 28, 1024, 16, 40960, 151936};  // Qwen3 0.6B
  qwen.set_kv_heads(8);
  qwen.set_head_dim(128);
  qwen.set_inner_width(3072);
  EXPECT_EQ(num_parameters(qwen, 28), 596049920);
}

// Unusual sizes: 3 heads of 4, an inner width of 20, every second block global, windows of 3.
ModelShape odd_modernbert() {
  ModelShape shape = {Architecture::kModernBert, 5, 12, 3, 11, 23};
  shape.set_inner_width(20);
  shape.local = {.window = 3, .global_every = 2};
  return shape;
}

// Counts the pairs one by one, for all windows and lengths that are close to each other.
TEST(Flops, ALocalBlockHasThePairsOfItsWindow) {
  for (int64_t window = 1; window < 9; ++window) {
    for (int64_t length = 1; length < 12; ++length) {
      double pairs = 0.0;
      for (int64_t query = 0; query < length; ++query) {
        for (int64_t key = 0; key < length; ++key)
          pairs += std::abs(query - key) <= window ? 1.0 : 0.0;
      }
      ModelShape shape = odd_modernbert();
      shape.local.window = window;
      const double rows = 5.0 * static_cast<double>(length);
      const double products = 2 * rows * (12 * 36 + 12 * 12 + 12 * 40 + 20 * 12);
      EXPECT_EQ(layer_forward_flops(shape, 5, length, /*place=*/1),
                products + 2 * (2 * 5 * pairs * 12))
          << window << " " << length;
      EXPECT_EQ(layer_forward_flops(shape, 5, length, /*place=*/2),
                products + 2 * (2 * rows * static_cast<double>(length) * 12));
    }
  }
}

TEST(Flops, OfModernBertByHand) {
  const ModelShape shape = odd_modernbert();
  const double rows = 2 * 11, targets = 2 * 4;
  const double qkv = 2 * rows * 12 * 36;
  const double global = 2 * (2 * rows * 11 * 12);
  const double local = 2 * (2 * 2 * (11 * 7 - 3 * 4) * 12.0);
  const double after = 12 * 12 + 12 * 40 + 20 * 12;
  const double head = 2 * targets * (12 * 12 + 12 * 23);
  // Places 0, 2 and 4 are global; after its attention the last block runs at the masked positions.
  const double blocks =
      5 * qkv + 3 * global + 2 * local + 4 * 2 * rows * after + 2 * targets * after;
  EXPECT_EQ(layers_forward_flops(shape, 5, 2, 11, 8), blocks);
  EXPECT_EQ(forward_flops(shape, 5, 2, 11, 8), blocks + head);
  EXPECT_EQ(train_flops(shape, 5, 2, 4), 3 * (blocks + head));
  const double frozen = 3 * qkv + 2 * global + local + 3 * 2 * rows * after;
  EXPECT_EQ(first_layers_forward_flops(shape, 3, 2, 11), frozen);
  EXPECT_EQ(train_flops(shape, 5, 2, 4, /*recompute=*/false, /*frozen=*/3),
            3 * (blocks + head) - 2 * frozen);
  EXPECT_EQ(train_flops(shape, 5, 2, 4, /*recompute=*/true), 4 * blocks + 3 * head);
  // The last block of a pass with two blocks is local.
  EXPECT_EQ(layers_forward_flops(shape, 2, 2, 11, 8),
            2 * qkv + global + local + 2 * rows * after + 2 * targets * after);
  ModelShape all_global = shape;
  all_global.local.global_every = 1;
  EXPECT_EQ(layers_forward_flops(all_global, 5, 2, 11, 8), blocks + 2 * (global - local));
}

TEST(Flops, ParametersOfModernBert) {
  const ModelShape shape = odd_modernbert();
  const int64_t layer = 12 * 36 + 12 * 12 + 12 * 40 + 20 * 12 + 2 * 12;
  EXPECT_EQ(num_layer_parameters(shape), layer);
  EXPECT_EQ(num_parameters(shape, 5), 5 * layer + 23 * 12 + 3 * 12 + 12 * 12 + 23);
  // ModernBERT-base has 149,655,232 by the count of transformers, without the first layer's norm.
  ModelShape base = {Architecture::kModernBert, 22, 768, 12, 8192, 50368};
  base.set_inner_width(1152);
  EXPECT_EQ(num_parameters(base, 22), 149655232 + 768);
}

// Returns the layer-FLOPs of stages 1, 3, 6, 12 with LVPS, ending at `ends`, relative to those of
// 12 layers throughout.
double share_of_scratch(const std::vector<double>& ends) {
  const int64_t layers[] = {1, 3, 6, 12};
  double spent = 0.0, begin = 0.0;
  for (size_t i = 0; i < 4; ++i) {
    const DepthDistribution depths(DepthSamplerKind::kLvps, layers[i], 12);
    spent += (ends[i] - begin) * depths.mean() * layer_forward_flops(kGpt2Small, 1, 1024);
    begin = ends[i];
  }
  return spent / (ends[3] * 12 * layer_forward_flops(kGpt2Small, 1, 1024));
}

TEST(Flops, LayerFlopsOfThePaperSchedules) {
  EXPECT_NEAR(share_of_scratch({2, 4, 10, 40}), 0.864, 5e-4);
  EXPECT_NEAR(share_of_scratch({1, 2, 5, 10}), 0.728, 5e-4);
}

TEST(Flops, ShapeOfAConfig) {
  RunConfig config;
  config.model.layers = 4;
  EXPECT_EQ(model_shape(config, 300), (ModelShape{Architecture::kGpt2, 4, 384, 6, 256, 300}));
  config.model.inner_width = 4 * 384;
  EXPECT_EQ(model_shape(config, 300), (ModelShape{Architecture::kGpt2, 4, 384, 6, 256, 300}));
  config.model.inner_width = 100;
  EXPECT_EQ(model_shape(config, 300).inner_width(), 100);
}

TEST(Flops, WhatAConfigLeavesOpenIsTheArchitecturesOwn) {
  RunConfig config;
  config.model.architecture = Architecture::kLlama;
  ModelShape shape = model_shape(config, 300);
  EXPECT_EQ(shape.inner_width(), 1024);
  EXPECT_EQ(shape.kv_heads(), 6);
  EXPECT_EQ(shape.head_dim(), 64);
  EXPECT_FALSE(shape.tied);
  EXPECT_EQ(model_rope(config).theta, 10000.0);
  config.model.width = 100;
  EXPECT_EQ(model_shape(config, 300).inner_width(), 272) << "800 / 3, to a multiple of 16";
  config.model.architecture = Architecture::kQwen3;
  EXPECT_TRUE(model_shape(config, 300).tied);
  config.model.kv_heads = 2;
  config.model.head_dim = 12;
  config.model.inner_width = 52;
  config.model.tie_embeddings = false;
  config.model.rope_theta = 5e5;
  shape = model_shape(config, 300);
  EXPECT_EQ(shape.kv_heads(), 2);
  EXPECT_EQ(shape.head_dim(), 12);
  EXPECT_EQ(shape.inner_width(), 52);
  EXPECT_FALSE(shape.tied);
  EXPECT_EQ(model_rope(config).theta, 5e5);
}

TEST(Flops, WindowsOfAConfig) {
  RunConfig config;
  EXPECT_EQ(model_shape(config, 300).local, LocalAttention{});
  config.model.architecture = Architecture::kModernBert;
  config.model.width = 768;
  EXPECT_EQ(model_shape(config, 300).inner_width(), 1152);
  EXPECT_EQ(model_shape(config, 300).local, (LocalAttention{.window = 64, .global_every = 3}));
  EXPECT_EQ(model_rope(config).theta, 160000.0);
  EXPECT_EQ(model_local_rope(config).theta, 10000.0);
  config.model.local_attention = 13;
  config.model.global_attn_every_n_layers = 2;
  config.model.rope_theta = 7e4;
  config.model.local_rope_theta = 500.0;
  EXPECT_EQ(model_shape(config, 300).local, (LocalAttention{.window = 6, .global_every = 2}));
  EXPECT_EQ(model_rope(config).theta, 7e4);
  EXPECT_EQ(model_local_rope(config).theta, 500.0);
}

TEST(Flops, FrozenBlocksRunForwardAlone) {
  const ModelShape shape = {Architecture::kGpt2, 1, 8, 2, 4, 11};
  const double layer = layer_forward_flops(shape, 3, 4);
  const double head = head_forward_flops(shape, 12);
  EXPECT_EQ(train_flops(shape, 5, 3, 4, /*recompute=*/false, /*frozen=*/3),
            3 * (2 * layer + head) + 3 * layer);
  EXPECT_EQ(train_flops(shape, 5, 3, 4, /*recompute=*/true, /*frozen=*/3),
            3 * (2 * layer + head) + 2 * layer + 3 * layer);
  EXPECT_EQ(train_flops(shape, 0, 3, 4), 3 * head);
}

}  // namespace
}  // namespace apollo
