#include "progressive/first_run.h"

#include <gtest/gtest.h>

namespace apollo {
namespace {

TEST(FirstRun, TakesFortyTokensPerParameterWhereThereIsText) {
  for (const double rate : {1e9, 3e10, 1e12, 1e14}) {
    const FirstRun run = choose_first_run(/*text_tokens=*/1'000'000'000, 4096, rate, 300.0);
    EXPECT_GE(run.tokens / static_cast<double>(run.parameters), rate > 1e9 ? 40.0 : 1.0) << rate;
    EXPECT_NEAR(run.flops, rate * 300.0, 0.02 * rate * 300.0) << rate;
  }
}

TEST(FirstRun, GrowsWithTheMachineAndTheTime) {
  const FirstRun slow = choose_first_run(1'000'000'000, 1024, 2e10, 60.0);
  const FirstRun longer = choose_first_run(1'000'000'000, 1024, 2e10, 3600.0);
  const FirstRun faster = choose_first_run(1'000'000'000, 1024, 1.2e12, 60.0);
  EXPECT_GT(longer.parameters, slow.parameters);
  EXPECT_EQ(longer, faster) << "FLOPs count, not how they come about";
}

TEST(FirstRun, ReadsASmallTextEightTimesAtMost) {
  const FirstRun run = choose_first_run(/*text_tokens=*/100'000, 512, 1e12, 300.0);
  EXPECT_LE(run.tokens, 8.0 * 100'000 + 16 * 128);
  EXPECT_EQ(run.layers, 2) << "800k tokens are enough for no model of the list but the smallest";
}

TEST(FirstRun, TheVocabularyGoesByTheText) {
  EXPECT_EQ(first_vocab_size(5e5), 512);
  EXPECT_EQ(first_vocab_size(5e6), 1024);
  EXPECT_EQ(first_vocab_size(5e7), 4096);
  EXPECT_EQ(first_vocab_size(5e9), 16384);
}

}  // namespace
}  // namespace apollo
