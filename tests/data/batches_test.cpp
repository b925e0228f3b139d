#include "data/batches.h"

#include <gtest/gtest.h>

#include "data/bert_vocabulary.h"
#include "data/fill_range.h"
#include "data/helpers.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

RunConfig gpt2_config(int64_t context) {
  RunConfig config;
  config.model.context = context;
  return config;
}

TEST(Batches, CountsSequences) {
  EXPECT_EQ(num_sequences(gpt2_config(9), 10), 1);
  EXPECT_EQ(num_sequences(gpt2_config(10), 10), 0);
  EXPECT_EQ(num_sequences(gpt2_config(3), 10), 3);
  EXPECT_EQ(num_sequences(gpt2_config(3), 0), 0);
  EXPECT_EQ(num_sequences(bert_test::make_config(12), 9), 0);
  EXPECT_EQ(num_sequences(bert_test::make_config(12), 10), 1);
  EXPECT_EQ(num_sequences(bert_test::make_config(12), 29), 2);
  EXPECT_EQ(num_sequences(bert_test::make_config(3), 5), 5);
}

TEST(Batches, ShortestDatasets) {
  EXPECT_EQ(min_tokens(Objective::kCausal, 10), 11);
  EXPECT_EQ(min_tokens(Objective::kMasked, 10), 8);
}

TEST(Batches, FollowTheArchitecture) {
  const TempDir dir;
  const TokenDataset dataset =
      make_dataset(dir.path(), {5, 6, 7, 8, 9, 10, 11, 12}, bert_test::kVocabSize);
  const WordPiece tokenizer = bert_test::make_tokenizer();
  TokenBatch batch;

  const auto causal = make_batches(gpt2_config(4), dataset, &tokenizer);
  EXPECT_EQ(causal->num_sequences(), 1);
  fill_range(*causal, 0, 1, batch);
  EXPECT_EQ(batch.inputs, (std::vector<int64_t>{5, 6, 7, 8}));
  EXPECT_EQ(make_batches(gpt2_config(4), dataset, nullptr)->num_sequences(), 1);

  const auto masked = make_batches(bert_test::make_config(4), dataset, &tokenizer);
  EXPECT_EQ(masked->num_sequences(), 4);
  fill_range(*masked, 0, 1, batch);
  EXPECT_EQ(batch.inputs.front(), bert_test::kCls);
}

TEST(Batches, NameATokenizerWithoutMask) {
  const TempDir dir;
  const TokenDataset dataset = make_dataset(dir.path(), {5, 6, 7, 8}, bert_test::kVocabSize);
  const auto bytes = load_tokenizer("bytes");
  const auto error = [&](const Tokenizer* tokenizer) {
    return error_text<DataError>(
        [&] { make_batches(bert_test::make_config(4), dataset, tokenizer); });
  };
  const std::string expected =
      "data.tokenizer: architecture 'bert' needs a tokenizer with [CLS], [SEP], [PAD] and [MASK]; "
      "found ";
  const std::string hint =
      " (hint: 'train:wordpiece:8192', 'train:bpe:8192', or the folder of a BERT)";
  EXPECT_EQ(error(bytes.get()), expected + "one without [CLS], [SEP], [PAD], [MASK]" + hint);
  EXPECT_EQ(error(nullptr), expected + "none" + hint);
}

TEST(Batches, SeparateDocumentsByTheTokenThatEndsThem) {
  const TempDir dir;
  const auto bytes = load_tokenizer("bytes");
  const auto end = static_cast<TokenId>(bytes->end_of_text().value());
  const TokenDataset dataset = make_dataset(dir.path(), {65, end, 66, 67}, bytes->vocab_size());
  RunConfig config;
  config.model.context = 3;
  TokenBatch batch;
  make_batches(config, dataset, bytes.get())->fill_train(0, 1, batch);
  EXPECT_TRUE(batch.documents.empty());
  config.data.separate_documents = true;
  make_batches(config, dataset, bytes.get())->fill_train(0, 1, batch);
  EXPECT_EQ(batch.documents, (std::vector<int64_t>{0, 0, 1}));
  EXPECT_EQ(error_text<DataError>([&] { make_batches(config, dataset, nullptr); }),
            "data.separate_documents needs a tokenizer with a token that ends documents; found "
            "none (hint: name one in data.tokenizer, for example 'train:bpe:8192')");
}

TEST(Batches, NameADatasetShorterThanASequence) {
  const TempDir dir;
  const TokenDataset dataset = make_dataset(dir.path(), {5, 6, 7, 8}, bert_test::kVocabSize);
  const WordPiece tokenizer = bert_test::make_tokenizer();
  EXPECT_EQ(
      error_text<DataError>([&] { make_batches(bert_test::make_config(7), dataset, &tokenizer); }),
      "dataset holds 4 tokens, less than one sequence: a context of 7 needs 5 (hint: give "
      "more text, or a smaller model.context)");
}

}  // namespace
}  // namespace apollo
