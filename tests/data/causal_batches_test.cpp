#include "data/causal_batches.h"

#include <gtest/gtest.h>

#include <set>

#include "data/fill_range.h"
#include "data/helpers.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

// Tokens 0, 1, 2, ...: a token is its own place.
TokenDataset counting_dataset(const std::filesystem::path& dir, int64_t count) {
  std::vector<TokenId> ids;
  for (int64_t i = 0; i < count; i++)
    ids.push_back(static_cast<TokenId>(i));
  return make_dataset(dir, ids, count);
}

TEST(CausalBatches, PredictsEveryTokenButTheFirstOnceAnEpoch) {
  const TempDir dir;
  const TokenDataset dataset = counting_dataset(dir.path(), 41);
  const CausalBatches batches(dataset, 4, 1);
  ASSERT_EQ(batches.num_sequences(), 10);
  std::multiset<int64_t> targets;
  TokenBatch batch;
  for (int64_t first = 0; first < 30; first += 3) {
    batches.fill_train(first, 3, batch);
    ASSERT_EQ(batch.rows, 3);
    ASSERT_EQ(batch.inputs.size(), 12u);
    ASSERT_EQ(batch.targets.size(), 12u);
    for (size_t i = 0; i < 12; i++) {
      EXPECT_EQ(batch.targets[i], batch.inputs[i] + 1);
      EXPECT_EQ(batch.inputs[i], batch.inputs[i / 4 * 4] + static_cast<int64_t>(i % 4));
      EXPECT_EQ(batch.inputs[i] % 4, static_cast<int64_t>(i % 4));
    }
    targets.insert(batch.targets.begin(), batch.targets.end());
  }
  for (int64_t token = 1; token <= 40; token++)
    EXPECT_EQ(targets.count(token), 3u) << token;
}

TEST(CausalBatches, DoesNotHangOnBatchSize) {
  const TempDir dir;
  const TokenDataset dataset = counting_dataset(dir.path(), 400);
  const CausalBatches batches(dataset, 7, 9);
  TokenBatch whole;
  batches.fill_train(50, 20, whole);
  std::vector<int64_t> inputs;
  TokenBatch part;
  for (int64_t first = 50; first < 70; first += 5) {
    batches.fill_train(first, 5, part);
    inputs.insert(inputs.end(), part.inputs.begin(), part.inputs.end());
  }
  EXPECT_EQ(inputs, whole.inputs);
}

TEST(CausalBatches, GoesThroughTheTextInOrder) {
  const TempDir dir;
  const TokenDataset dataset = counting_dataset(dir.path(), 16);
  const CausalBatches batches(dataset, 5, 1);
  ASSERT_EQ(batches.num_sequences(), 3);
  TokenBatch batch;
  fill_range(batches, 0, 2, batch);
  EXPECT_EQ(batch.inputs, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(batch.targets, (std::vector<int64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
  const std::vector<int64_t> ends = {2, 0};
  batches.fill_sequences(ends, batch);
  EXPECT_EQ(batch.rows, 2);
  EXPECT_EQ(batch.targets, (std::vector<int64_t>{11, 12, 13, 14, 15, 1, 2, 3, 4, 5}));
  batches.fill_sequences({}, batch);
  EXPECT_EQ(batch.rows, 0);
  EXPECT_TRUE(batch.inputs.empty());
}

TEST(CausalBatches, NeedsASequence) {
  const TempDir dir;
  const TokenDataset dataset = counting_dataset(dir.path(), 10);
  EXPECT_EQ(CausalBatches(dataset, 9, 1).num_sequences(), 1);
  EXPECT_EQ(CausalBatches(dataset, 3, 1).num_sequences(), 3);
  EXPECT_EQ(error_text<DataError>([&] { CausalBatches(dataset, 10, 1); }),
            "dataset holds 10 tokens, less than one sequence: a context of 10 needs 11 (hint: give "
            "more text, or a smaller model.context)");
}

TEST(CausalBatches, NumbersTheDocumentsOfARow) {
  const TempDir dir;
  const TokenDataset dataset = make_dataset(dir.path(), {7, 9, 7, 7, 9, 9, 7, 7, 9, 7, 7}, 10);
  const CausalBatches batches(dataset, 5, 1, /*end=*/9);
  TokenBatch batch;
  fill_range(batches, 0, 2, batch);
  EXPECT_EQ(batch.documents, (std::vector<int64_t>{0, 0, 1, 1, 1,  //
                                                   0, 1, 1, 1, 2}));
}

TEST(CausalBatches, LeavesNothingOfAnotherBatch) {
  const TempDir dir;
  const TokenDataset dataset = counting_dataset(dir.path(), 10);
  TokenBatch batch;
  batch.segments = batch.documents = {1, 2, 3};
  CausalBatches(dataset, 4, 1).fill_train(0, 1, batch);
  EXPECT_TRUE(batch.segments.empty());
  EXPECT_TRUE(batch.documents.empty());
}

}  // namespace
}  // namespace apollo
