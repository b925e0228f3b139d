#include "progressive/memory.h"

#include <gtest/gtest.h>

namespace apollo {
namespace {

constexpr ModelShape kShape = {Architecture::kGpt2, 12, 768, 12, 1024, 50257};

TEST(Memory, StateIsThatOfTheUniqueLayers) {
  EXPECT_EQ(state_bytes(OptimizerKind::kAdamW, kShape, 12), 16.0 * 124439808);
  EXPECT_EQ(checkpoint_bytes(OptimizerKind::kAdamW, kShape, 12), 12.0 * 124439808);
  EXPECT_EQ(state_bytes(OptimizerKind::kAdamW, kShape, 12) -
                state_bytes(OptimizerKind::kAdamW, kShape, 3),
            16.0 * 9 * 7087872);
}

TEST(Memory, MuonKeepsOneMomentOfHiddenMatrices) {
  const double hidden = 12.0 * (4.0 * 768 * 768 + 2.0 * 768 * 3072);
  EXPECT_EQ(state_bytes(OptimizerKind::kMuon, kShape, 12), 16.0 * 124439808 - 4.0 * hidden);
  EXPECT_EQ(checkpoint_bytes(OptimizerKind::kMuon, kShape, 12), 12.0 * 124439808 - 4.0 * hidden);
  EXPECT_EQ(state_bytes(OptimizerKind::kMuon, kShape, 0),
            state_bytes(OptimizerKind::kAdamW, kShape, 0));
}

TEST(Memory, RanksShareTheMoments) {
  const double parameters = 124439808;
  EXPECT_EQ(moment_bytes(OptimizerKind::kAdamW, kShape, 12), 8.0 * parameters);
  EXPECT_EQ(shared_moment_bytes(OptimizerKind::kAdamW, kShape, 12, 8), parameters);
  // With Muon a rank may keep a part of the embedding, with two moments, or of matrices, with one.
  const double hidden = 12.0 * (4.0 * 768 * 768 + 2.0 * 768 * 3072);
  EXPECT_EQ(shared_moment_bytes(OptimizerKind::kMuon, kShape, 12, 8), parameters);
  EXPECT_EQ(shared_moment_bytes(OptimizerKind::kMuon, kShape, 12, 2),
            4.0 * (parameters / 2 + parameters - hidden));
  RunConfig config;
  EXPECT_EQ(spared_bytes(config, kShape, 8), 0.0);
  config.run.shard_optimizer = true;
  EXPECT_EQ(spared_bytes(config, kShape, 8), 7.0 * parameters);
  EXPECT_EQ(spared_bytes(config, kShape, 1), 0.0);
}

TEST(Memory, AnExchangeKeepsTwoBuffersOfBoundedSize) {
  EXPECT_EQ(exchange_bytes(kShape, 12), 32.0 * 1024 * 1024);
  const ModelShape tiny = {Architecture::kGpt2, 2, 16, 2, 16, 257};
  EXPECT_EQ(exchange_bytes(tiny, 2), 8.0 * static_cast<double>(num_parameters(tiny, 2)));
}

TEST(Memory, ActivationsGrowWithRowsDepthAndElement) {
  RunConfig config;
  config.model.context = 1024;
  const double one = activation_bytes(config, kShape, 12, 1);
  const double logits = 8.0 * 1024 * 50257;
  EXPECT_EQ(one, 4.0 * 1024 * 11 * 768 * 12 + logits);
  EXPECT_EQ(activation_bytes(config, kShape, 12, 4), 4 * one);
  EXPECT_EQ(activation_bytes(config, kShape, 6, 1) - logits, (one - logits) / 2);
  config.train.precision = Precision::kBf16;
  EXPECT_EQ(activation_bytes(config, kShape, 12, 1) - logits,
            (4.0 * 2 + 2.0 * 9) * 1024 * 768 * 12);  // two sums in fp32
  EXPECT_EQ(cast_bytes(Precision::kBf16, kShape, 12),
            2.0 * static_cast<double>(num_parameters(kShape, 12)));
  EXPECT_EQ(cast_bytes(Precision::kFp32, kShape, 12), 0.0);
  config.train.precision = Precision::kFp32;
  config.run.kernels = Kernels::kReference;
  EXPECT_EQ(activation_bytes(config, kShape, 12, 1) - one, 4.0 * 1024 * 2 * 12 * 1024 * 12);
}

TEST(Memory, TheHeadOfBertAndItsLastBlockHoldMaskedPositionsAlone) {
  ModelShape shape = kShape;
  shape.architecture = Architecture::kBert;
  RunConfig config;
  config.model = {.architecture = Architecture::kBert, .context = 1024};
  const double logits = 8.0 * 2 * 153 * 50257;
  const double left_out = 4.0 * 2 * (1024 - 153) * 6 * 768;
  const double block = 4.0 * 2 * 1024 * 11 * 768;
  EXPECT_EQ(activation_bytes(config, shape, 12, 2), 12 * block - left_out + logits);
  EXPECT_EQ(activation_bytes(config, shape, 1, 2), block - left_out + logits);
  EXPECT_EQ(activation_bytes(config, shape, 0, 2), logits);
}

// Two sums, queries, keys, values, what attention mixes, the MLP's two factors, and one width more.
// Qwen3 keeps queries and keys before and after their norm.
TEST(Memory, ABlockKeepsTheResultsOfItsProducts) {
  ModelShape shape = {Architecture::kLlama, 2, 44, 6, 9, 23};
  shape.set_head_dim(10);
  shape.set_kv_heads(2);
  shape.set_inner_width(52);
  RunConfig config;
  config.model = {.architecture = Architecture::kLlama, .context = 9};
  const double logits = 8.0 * 9 * 23;
  const double block = 100 + 60 + 2 * 52 + 3 * 44;
  EXPECT_EQ(activation_bytes(config, shape, 2, 1), 4.0 * 9 * 2 * block + logits);
  shape.architecture = Architecture::kQwen3;
  EXPECT_EQ(activation_bytes(config, shape, 2, 1), 4.0 * 9 * 2 * (block + 100) + logits);
}

// Two sums, queries, keys, values, what attention mixes, the MLP's two factors, and one width more.
// What follows the attention of the last block is kept only at the masked positions.
TEST(Memory, ABlockOfModernBert) {
  ModelShape shape = {Architecture::kModernBert, 2, 12, 3, 40, 23};
  shape.set_inner_width(20);
  shape.local = {.window = 3, .global_every = 2};
  RunConfig config;
  config.model = {.architecture = Architecture::kModernBert, .context = 40};
  const double block = 36 + 12 + 2 * 20 + 3 * 12;
  const double left_out = 4.0 * (40 - 6) * (12 + 2 * 20 + 12);
  EXPECT_EQ(activation_bytes(config, shape, 2, 1), 4.0 * 40 * 2 * block - left_out + 8.0 * 6 * 23);
}

TEST(Memory, MicroBatchIsTheLargestDivisorThatFits) {
  RunConfig config;
  config.model.context = 1024;
  config.train.batch_size = 12;
  const double state = state_bytes(OptimizerKind::kAdamW, kShape, 12);
  const auto chosen = [&](double rows) {
    return choose_micro_batch(config, kShape,
                              state + rows * activation_bytes(config, kShape, 12, 1));
  };
  EXPECT_EQ(chosen(100), 12);
  EXPECT_EQ(chosen(12), 12);
  EXPECT_EQ(chosen(11.9), 6);
  EXPECT_EQ(chosen(5.9), 4);
  EXPECT_EQ(chosen(1.5), 1);
  EXPECT_EQ(choose_micro_batch(config, kShape, 0.0), 1);
  config.train.batch_size = 7;
  EXPECT_EQ(chosen(6.5), 1);
}

}  // namespace
}  // namespace apollo
