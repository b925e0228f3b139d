#include "data/masked_batches.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <numeric>
#include <set>

#include "config/objective.h"
#include "data/bert_vocabulary.h"
#include "data/fill_range.h"
#include "data/helpers.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

using bert_test::kCls;
using bert_test::kFirstContinuation;
using bert_test::kFirstWord;
using bert_test::kMask;
using bert_test::kPad;
using bert_test::kSep;
using bert_test::kUnknown;
using bert_test::kVocabSize;
using Row = std::vector<int64_t>;

constexpr TokenId kWord = kFirstWord;
constexpr TokenId kMore = kFirstContinuation;

class MaskedBatchesTest : public ::testing::Test {
 protected:
  MaskedBatches make(const std::vector<TokenId>& ids, const RunConfig& config) {
    datasets_.push_back(make_dataset(dirs_.emplace_back().path(), ids, kVocabSize));
    return MaskedBatches(config, datasets_.back(), tokenizer_);
  }

  WordPiece tokenizer_ = bert_test::make_tokenizer();
  std::deque<TempDir> dirs_;
  std::deque<TokenDataset> datasets_;
};

// Endless words; up to 30, a token tells its place.
std::vector<TokenId> words(size_t count) {
  std::vector<TokenId> ids;
  for (size_t i = 0; i < count; i++)
    ids.push_back(static_cast<TokenId>(kFirstWord + i % 30));
  return ids;
}

Row row_of(const std::vector<int64_t>& values, int64_t row, int64_t context) {
  return {values.begin() + row * context, values.begin() + (row + 1) * context};
}

// Returns the row before it was masked.
Row original(const TokenBatch& batch, int64_t row, int64_t context) {
  Row tokens = row_of(batch.inputs, row, context);
  const Row targets = row_of(batch.targets, row, context);
  for (size_t i = 0; i < tokens.size(); i++) {
    if (targets[i] != kIgnoredTarget) tokens[i] = targets[i];
  }
  return tokens;
}

std::vector<int64_t> masked_places(const TokenBatch& batch, int64_t row, int64_t context) {
  std::vector<int64_t> places;
  for (int64_t i = 0; i < context; i++) {
    if (batch.targets[static_cast<size_t>(row * context + i)] != kIgnoredTarget)
      places.push_back(i);
  }
  return places;
}

// Pearson's statistic of counts against expected shares of their sum.
double chi_square(const std::vector<int64_t>& counts, const std::vector<double>& shares) {
  const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  double sum = 0;
  for (size_t i = 0; i < counts.size(); i++) {
    const double expected = total * shares[i];
    const double difference = static_cast<double>(counts[i]) - expected;
    sum += difference * difference / expected;
  }
  return sum;
}

double chi_square_uniform(const std::vector<int64_t>& counts) {
  return chi_square(counts, std::vector<double>(counts.size(), 1.0 / std::ssize(counts)));
}

TEST_F(MaskedBatchesTest, FramesTheTextAndTargetsHoldWhatWasMasked) {
  const RunConfig config = bert_test::make_config(12, 0.3);
  const MaskedBatches batches = make(words(29), config);
  ASSERT_EQ(batches.num_sequences(), 2);
  TokenBatch batch;
  batch.segments = {1};
  fill_range(batches, 0, 2, batch);
  EXPECT_EQ(batch.rows, 2);
  ASSERT_EQ(batch.inputs.size(), 24u);
  ASSERT_EQ(batch.targets.size(), 24u);
  EXPECT_EQ(original(batch, 0, 12), (Row{kCls, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, kSep}));
  EXPECT_EQ(original(batch, 1, 12), (Row{kCls, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, kSep}));
  EXPECT_EQ(masked_places(batch, 0, 12).size(), 3u);
  EXPECT_TRUE(batch.segments.empty());
  EXPECT_TRUE(batch.documents.empty());
  batches.fill_sequences({}, batch);
  EXPECT_EQ(batch.rows, 0);
  EXPECT_TRUE(batch.inputs.empty());
}

TEST_F(MaskedBatchesTest, EverySequenceComesOnceAnEpochWithItsNumberOfTargets) {
  const RunConfig config = bert_test::make_config(7, 0.4);
  const MaskedBatches batches = make(words(30), config);
  ASSERT_EQ(batches.num_sequences(), 6);
  std::map<int64_t, int> seen;
  TokenBatch batch;
  for (int64_t first = 0; first < 600; first += 4) {
    batches.fill_train(first, 4, batch);
    for (int64_t row = 0; row < 4; row++) {
      seen[original(batch, row, 7)[1]]++;
      EXPECT_EQ(std::ssize(masked_places(batch, row, 7)), targets_per_sequence(config));
    }
  }
  EXPECT_EQ(seen, (std::map<int64_t, int>{
                      {5, 100}, {10, 100}, {15, 100}, {20, 100}, {25, 100}, {30, 100}}));
}

TEST_F(MaskedBatchesTest, ARowDependsOnItsPlaceAndTheSeedAlone) {
  RunConfig config = bert_test::make_config(34);
  const MaskedBatches batches = make(words(32 * 9), config);
  TokenBatch whole;
  batches.fill_train(20, 12, whole);
  TokenBatch part;
  for (int64_t row = 11; row >= 0; row--) {
    batches.fill_train(20 + row, 1, part);
    EXPECT_EQ(part.inputs, row_of(whole.inputs, row, 34));
    EXPECT_EQ(part.targets, row_of(whole.targets, row, 34));
  }
  config.run.seed++;
  const MaskedBatches others = make(words(32 * 9), config);
  others.fill_train(20, 12, part);
  EXPECT_NE(part.targets, whole.targets);
}

TEST_F(MaskedBatchesTest, MasksAreFreshInEveryEpoch) {
  const MaskedBatches batches = make(words(32), bert_test::make_config(34));
  ASSERT_EQ(batches.num_sequences(), 1);
  std::set<std::vector<int64_t>> seen;
  TokenBatch batch;
  for (int64_t epoch = 0; epoch < 50; epoch++) {
    batches.fill_train(epoch, 1, batch);
    seen.insert(masked_places(batch, 0, 34));
  }
  EXPECT_EQ(seen.size(), 50u);  // of 201376
}

TEST_F(MaskedBatchesTest, ValidationIsTheSameForEverySeedAndUnlikeTraining) {
  RunConfig config = bert_test::make_config(34);
  TokenBatch first;
  TokenBatch second;
  fill_range(make(words(320), config), 0, 10, first);
  config.run.seed++;
  fill_range(make(words(320), config), 0, 10, second);
  EXPECT_EQ(first.inputs, second.inputs);
  EXPECT_EQ(first.targets, second.targets);
  fill_range(make(words(320), config), 4, 1, second);
  EXPECT_EQ(second.inputs, row_of(first.inputs, 4, 34));
  // Seed 0 is the one that validation is keyed by.
  config.run.seed = 0;
  make(words(32), config).fill_train(0, 1, second);
  EXPECT_NE(second.targets, row_of(first.targets, 0, 34));
}

TEST_F(MaskedBatchesTest, SpecialTokensAreNeverMaskedButUnknownOnesAre) {
  const std::vector<TokenId> stream = {kSep, kPad, kUnknown, kCls, kMask, kSep, kWord, kSep};
  const MaskedBatches batches = make(stream, bert_test::make_config(10, 0.9));
  TokenBatch batch;
  for (int64_t place = 0; place < 100; place++) {
    batches.fill_train(place, 1, batch);
    EXPECT_EQ(masked_places(batch, 0, 10), (std::vector<int64_t>{3, 7}));
  }
}

TEST_F(MaskedBatchesTest, ATextOfSpecialTokensHasNoTarget) {
  const MaskedBatches batches = make({kSep, kSep, kSep}, bert_test::make_config(5));
  TokenBatch batch;
  batches.fill_train(0, 1, batch);
  EXPECT_EQ(batch.inputs, (Row{kCls, kSep, kSep, kSep, kSep}));
  EXPECT_EQ(batch.targets, Row(5, kIgnoredTarget));
}

TEST_F(MaskedBatchesTest, IdsBeyondTheTokenizerAreMaskedAsWords) {
  const TempDir dir;
  const TokenDataset dataset = make_dataset(dir.path(), {60, 61, 62}, 100);
  RunConfig config = bert_test::make_config(5, 0.9);
  config.data.mask_whole_words = true;
  TokenBatch batch;
  MaskedBatches(config, dataset, tokenizer_).fill_train(0, 1, batch);
  EXPECT_EQ(original(batch, 0, 5), (Row{kCls, 60, 61, 62, kSep}));
  EXPECT_EQ(masked_places(batch, 0, 5).size(), 3u);
}

// All (5 choose 2) sets of places are equally likely. 27.9: 0.1 % of chi-square with 9 degrees.
TEST_F(MaskedBatchesTest, AllSetsOfPlacesAreEquallyLikely) {
  const MaskedBatches batches = make(words(5), bert_test::make_config(7, 0.4));
  std::map<std::vector<int64_t>, int64_t> counts;
  TokenBatch batch;
  batches.fill_train(0, 40000, batch);
  for (int64_t row = 0; row < batch.rows; row++)
    counts[masked_places(batch, row, 7)]++;
  ASSERT_EQ(counts.size(), 10u);
  std::vector<int64_t> list;
  for (const auto& [places, count] : counts)
    list.push_back(count);
  EXPECT_LT(chi_square_uniform(list), 27.9);
}

// The same for validation, which has another key.
TEST_F(MaskedBatchesTest, PlacesAreEquallyLikelyInValidation) {
  const MaskedBatches batches = make(words(20 * 5000), bert_test::make_config(22));
  std::vector<int64_t> counts(20);
  TokenBatch batch;
  fill_range(batches, 0, 5000, batch);
  ASSERT_EQ(batch.rows, 5000);
  for (int64_t row = 0; row < batch.rows; row++) {
    for (const int64_t place : masked_places(batch, row, 22))
      counts[static_cast<size_t>(place) - 1]++;
  }
  EXPECT_LT(chi_square_uniform(counts), 43.8);  // 0.1 %, 19 degrees
}

// A token drawn at random is the original with probability 1 / 40, and then looks unchanged.
TEST_F(MaskedBatchesTest, EightyTenTen) {
  const MaskedBatches batches = make(words(30), bert_test::make_config(32, 0.5));
  std::vector<int64_t> kinds(3);
  std::vector<int64_t> shown(kVocabSize);
  TokenBatch batch;
  batches.fill_train(0, 20000, batch);
  for (size_t i = 0; i < batch.inputs.size(); i++) {
    if (batch.targets[i] == kIgnoredTarget) continue;
    const bool is_mask = batch.inputs[i] == kMask;
    const bool is_same = batch.inputs[i] == batch.targets[i];
    kinds[is_mask ? 0 : is_same ? 1 : 2]++;
    if (!is_mask && !is_same) shown[static_cast<size_t>(batch.inputs[i])]++;
  }
  EXPECT_EQ(std::accumulate(kinds.begin(), kinds.end(), 0), 20000 * 15);
  const double random_same = 0.1 / 40;
  EXPECT_LT(chi_square(kinds, {0.8, 0.1 + random_same, 0.1 - random_same}), 13.8);  // 0.1 %, 2
  for (TokenId id = 0; id < kFirstWord; id++)
    EXPECT_EQ(shown[static_cast<size_t>(id)], 0) << id;
  // The 30 tokens of the text are rarer: a token is not counted where it is itself the original.
  std::vector<double> shares(40, 1.0 / 39);
  std::fill_n(shares.begin(), 30, (1 - 1.0 / 30) / 39);
  EXPECT_LT(chi_square({shown.begin() + kFirstWord, shown.end()}, shares), 72.1);  // 0.1 %, 39
}

TEST_F(MaskedBatchesTest, WholeWordsAreMaskedWholeAndFillTheBudget) {
  std::mt19937_64 random(5);
  std::vector<TokenId> stream;
  while (stream.size() < 32 * 200) {
    stream.push_back(static_cast<TokenId>(kFirstWord + random() % 30));
    for (size_t more = random() % 4; more > 0; more--)
      stream.push_back(static_cast<TokenId>(kFirstContinuation + random() % 10));
    if (random() % 10 == 0) stream.push_back(kSep);
  }
  RunConfig config = bert_test::make_config(34, 0.25);
  config.data.mask_whole_words = true;
  const MaskedBatches batches = make(stream, config);
  TokenBatch batch;
  batches.fill_train(0, 1000, batch);
  int64_t num_full = 0;
  for (int64_t row = 0; row < batch.rows; row++) {
    const Row tokens = original(batch, row, 34);
    const Row targets = row_of(batch.targets, row, 34);
    std::vector<std::vector<size_t>> found_words;
    for (size_t i = 1; i + 1 < tokens.size(); i++) {
      if (tokens[i] < kFirstWord) continue;
      const bool goes_on = tokens[i] >= kFirstContinuation && tokens[i - 1] >= kFirstWord;
      if (!goes_on) found_words.emplace_back();
      found_words.back().push_back(i);
    }
    int64_t left = 8 - std::ssize(masked_places(batch, row, 34));
    ASSERT_GE(left, 0);
    num_full += left == 0;
    for (const auto& word : found_words) {
      const bool is_masked = targets[word[0]] != kIgnoredTarget;
      for (const size_t place : word)
        EXPECT_EQ(targets[place] != kIgnoredTarget, is_masked);
      EXPECT_TRUE(is_masked || std::ssize(word) > left) << "this word would still have fitted";
    }
  }
  EXPECT_GT(num_full, 950);
}

// Words A, B B, C and a budget of 2: B is masked if it is drawn first, which has probability 1/3.
TEST_F(MaskedBatchesTest, WordsAreDrawnUniformly) {
  RunConfig config = bert_test::make_config(6, 0.5);
  config.data.mask_whole_words = true;
  const MaskedBatches batches = make({kWord, kWord, kMore, kWord}, config);
  std::map<std::vector<int64_t>, int64_t> counts;
  TokenBatch batch;
  batches.fill_train(0, 30000, batch);
  for (int64_t row = 0; row < batch.rows; row++)
    counts[masked_places(batch, row, 6)]++;
  const std::vector<int64_t> both = {1, 4};
  const std::vector<int64_t> middle = {2, 3};
  ASSERT_EQ(counts.size(), 2u);
  EXPECT_LT(chi_square({counts[both], counts[middle]}, {2.0 / 3, 1.0 / 3}), 10.8);  // 0.1 %, 1
}

TEST_F(MaskedBatchesTest, AWordCutAtTheStartIsAWordOfItsOwn) {
  RunConfig config = bert_test::make_config(6, 0.25);
  config.data.mask_whole_words = true;
  const MaskedBatches batches = make({kMore, kSep, kMore, kWord}, config);
  std::set<std::vector<int64_t>> seen;
  TokenBatch batch;
  for (int64_t place = 0; place < 100; place++) {
    batches.fill_train(place, 1, batch);
    seen.insert(masked_places(batch, 0, 6));
  }
  EXPECT_EQ(seen, (std::set<std::vector<int64_t>>{{1}, {3}, {4}}));
}

TEST_F(MaskedBatchesTest, NumbersTheDocumentsOfARow) {
  RunConfig config = bert_test::make_config(8, 0.9);
  config.data.separate_documents = true;
  const MaskedBatches batches = make({kWord, kSep, kWord, kWord, kSep, kWord,  //
                                      kSep, kWord, kSep, kWord, kWord, kSep},
                                     config);
  TokenBatch batch;
  fill_range(batches, 0, 2, batch);
  EXPECT_EQ(row_of(batch.documents, 0, 8), (Row{0, 0, 0, 1, 1, 1, 2, 2}));
  EXPECT_EQ(row_of(batch.documents, 1, 8), (Row{0, 0, 1, 1, 2, 2, 2, 2}));
  EXPECT_EQ(original(batch, 1, 8), (Row{kCls, kSep, kWord, kSep, kWord, kWord, kSep, kSep}));
}

// Whether the vocabulary lists it as an added token, as only some files do, or it is a BERT one.
TEST_F(MaskedBatchesTest, SpecialTokensDoNotReplaceWords) {
  WordPieceVocabulary vocabulary = tokenizer_.vocabulary();
  vocabulary.added = {{.id = kWord, .text = vocabulary.tokens[kWord], .special = true}};
  const WordPiece tokenizer(vocabulary);
  const TempDir dir;
  const TokenDataset dataset = make_dataset(dir.path(), words(30), kVocabSize);
  TokenBatch batch;
  MaskedBatches(bert_test::make_config(32, 0.5), dataset, tokenizer).fill_train(0, 2000, batch);
  for (size_t i = 0; i < batch.inputs.size(); i++) {
    const int64_t shown = batch.inputs[i];
    if (batch.targets[i] == kIgnoredTarget || shown == kMask || shown > kWord) continue;
    EXPECT_EQ(shown, batch.targets[i]);
  }
}

}  // namespace
}  // namespace apollo
