#include "finetune/row_batches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace apollo {
namespace {

// Row i has 1 + (7 i mod 30) tokens, all i.
EncodedRows made_up_rows(int64_t count) {
  EncodedRows rows;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t length = 1 + 7 * i % 30;
    rows.ids.insert(rows.ids.end(), static_cast<size_t>(length), static_cast<TokenId>(i));
    rows.begins.push_back(static_cast<int64_t>(rows.ids.size()));
    rows.first_segments.push_back((length + 1) / 2);
  }
  return rows;
}

void expect_every_row_once(const std::vector<RowBatch>& batches, int64_t count) {
  std::multiset<int64_t> seen;
  for (const RowBatch& batch : batches)
    seen.insert(batch.begin(), batch.end());
  EXPECT_EQ(static_cast<int64_t>(seen.size()), count);
  EXPECT_EQ(static_cast<int64_t>(std::set<int64_t>(seen.begin(), seen.end()).size()), count);
}

TEST(RowBatches, AnEpochHasEveryRowOnce) {
  const EncodedRows rows = made_up_rows(1003);
  const auto batches = training_batches(rows, 8, 1, 0);
  EXPECT_EQ(batches.size(), 126u);
  expect_every_row_once(batches, 1003);
  EXPECT_EQ(std::count_if(batches.begin(), batches.end(),
                          [](const RowBatch& batch) { return batch.size() < 8; }),
            1);
}

TEST(RowBatches, TheOrderDependsOnSeedAndEpochAlone) {
  const EncodedRows rows = made_up_rows(500);
  EXPECT_EQ(training_batches(rows, 8, 1, 2), training_batches(rows, 8, 1, 2));
  EXPECT_NE(training_batches(rows, 8, 1, 2), training_batches(rows, 8, 1, 1));
  EXPECT_NE(training_batches(rows, 8, 1, 2), training_batches(rows, 8, 2, 2));
}

TEST(RowBatches, LittleIsPaddingAndLengthsDoNotRise) {
  const EncodedRows rows = made_up_rows(2000);
  int64_t padded = 0;
  int64_t num_longer_than_before = 0;
  int64_t before = 0;
  const auto batches = training_batches(rows, 16, 1, 0);
  for (const RowBatch& batch : batches) {
    int64_t longest = 0;
    for (const int64_t row : batch)
      longest = std::max(longest, rows.length(row));
    for (const int64_t row : batch)
      padded += longest - rows.length(row);
    num_longer_than_before += longest > before;
    before = longest;
  }
  // With random batches of 16, the share would be near one half.
  EXPECT_LT(static_cast<double>(padded), 0.05 * static_cast<double>(rows.ids.size()));
  EXPECT_GT(num_longer_than_before, static_cast<int64_t>(batches.size()) / 3);
  EXPECT_LT(num_longer_than_before, 2 * static_cast<int64_t>(batches.size()) / 3);
}

TEST(RowBatches, BertSeesNoPadding) {
  const EncodedRows rows = made_up_rows(4);  // lengths 1, 8, 15, 22
  const ClassifierBatch batch =
      make_batch(rows, std::vector<int64_t>{1, 0}, 99, Objective::kMasked, at::kCPU);
  const auto inputs = batch.tokens.inputs_BT.accessor<int64_t, 2>();
  const auto documents = batch.tokens.documents_BT.accessor<int64_t, 2>();
  const auto segments = batch.tokens.segments_BT.accessor<int64_t, 2>();
  ASSERT_EQ(batch.tokens.inputs_BT.sizes(), at::IntArrayRef({2, 8}));
  for (int64_t t = 0; t < 8; ++t) {
    EXPECT_EQ(inputs[0][t], 1);
    EXPECT_EQ(inputs[1][t], t < 1 ? 0 : 99);
    EXPECT_EQ(documents[0][t], 0);
    EXPECT_EQ(documents[1][t], t < 1 ? 0 : 1);
    EXPECT_EQ(segments[0][t], t < 4 ? 0 : 1);
    EXPECT_EQ(segments[1][t], 0);
  }
}

TEST(RowBatches, NoMaskWhereNothingIsPadded) {
  const EncodedRows rows = made_up_rows(31);  // row 30 is as long as row 0
  const std::vector<int64_t> equal = {0, 30};
  EXPECT_FALSE(
      make_batch(rows, equal, 9, Objective::kMasked, at::kCPU).tokens.documents_BT.defined());
  const std::vector<int64_t> unequal = {0, 2};
  const ClassifierBatch causal = make_batch(rows, unequal, 9, Objective::kCausal, at::kCPU);
  EXPECT_FALSE(causal.tokens.documents_BT.defined());
  EXPECT_FALSE(causal.tokens.segments_BT.defined());
  EXPECT_EQ(causal.last_rows_B[0].item<int64_t>(), 0);
  EXPECT_EQ(causal.last_rows_B[1].item<int64_t>(), 15 + 14);
}

// GPT2ForSequenceClassification takes the last token that is not the one that pads.
TEST(RowBatches, ARowThatEndsWithThePaddingIsReadBefore) {
  EncodedRows rows;
  rows.ids = {9, 5, 6, 9, 9, 9, 9, 5, 9, 6};
  rows.begins = {0, 5, 7, 10};  // 9 5 6 9 9 | 9 9 | 5 9 6
  rows.first_segments = {5, 2, 3};
  const std::vector<int64_t> all = {0, 1, 2};
  const ClassifierBatch batch = make_batch(rows, all, 9, Objective::kCausal, at::kCPU);
  EXPECT_EQ(batch.last_rows_B[0].item<int64_t>(), 2);
  EXPECT_EQ(batch.last_rows_B[1].item<int64_t>(), 5);
  EXPECT_EQ(batch.last_rows_B[2].item<int64_t>(), 10 + 2);
}

TEST(RowBatches, EvaluationGoesByLength) {
  const EncodedRows rows = made_up_rows(100);
  const auto batches = evaluation_batches(rows, 16);
  expect_every_row_once(batches, 100);
  int64_t before = 0;
  for (const RowBatch& batch : batches) {
    for (const int64_t row : batch) {
      EXPECT_GE(rows.length(row), before);
      before = rows.length(row);
    }
  }
}

}  // namespace
}  // namespace apollo
