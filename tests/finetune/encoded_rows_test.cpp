#include "finetune/encoded_rows.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "data/bert_vocabulary.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

using Ids = std::vector<TokenId>;
using Lengths = std::pair<int64_t, int64_t>;

Ids row_of(const EncodedRows& rows, size_t i) {
  return {rows.ids.begin() + rows.begins[i], rows.ids.begin() + rows.begins[i + 1]};
}

TEST(TruncatedLengths, TheLongerTextLosesFirst) {
  EXPECT_EQ(truncated_lengths(3, 4, 7), Lengths(3, 4));
  EXPECT_EQ(truncated_lengths(2, 9, 7), Lengths(2, 5));
  EXPECT_EQ(truncated_lengths(9, 2, 7), Lengths(5, 2));
  EXPECT_EQ(truncated_lengths(9, 9, 8), Lengths(4, 4));
  EXPECT_EQ(truncated_lengths(9, 0, 5), Lengths(5, 0));
}

TEST(EncodedRows, BertPutsPairsBetweenItsTokens) {
  const WordPiece tokenizer = bert_test::make_tokenizer();
  TaskRows rows;
  rows.texts = {"w5 w6", "w7"};
  rows.pairs = {"w8", ""};
  rows.classes = {1, 0};
  const RowTokens tokens = row_tokens(tokenizer, Objective::kMasked, "here");
  const EncodedRows encoded = encode_rows(rows, tokenizer, tokens, 16);
  EXPECT_EQ(row_of(encoded, 0), (Ids{bert_test::kCls, 5, 6, bert_test::kSep, 8, bert_test::kSep}));
  EXPECT_EQ(row_of(encoded, 1), (Ids{bert_test::kCls, 7, bert_test::kSep, bert_test::kSep}));
  EXPECT_EQ(encoded.first_segments, (std::vector<int64_t>{4, 3}));
  EXPECT_EQ(encoded.classes, rows.classes);
  EXPECT_EQ(tokens.padding, bert_test::kPad);
  EXPECT_EQ(encoded.num_truncated, 0);
}

TEST(EncodedRows, BertCutsAsItsTokenizerDoes) {
  const WordPiece tokenizer = bert_test::make_tokenizer();
  const RowTokens tokens = row_tokens(tokenizer, Objective::kMasked, "here");
  const std::string words[] = {"", "w5", "w5 w6 w7", "w8 w9 w10 w11", "w5 w6 w7 w8 w9 w10 w11 w12"};
  for (const std::string& first : words) {
    for (const std::string& second : words) {
      for (const int64_t max_length : {8, 9, 10}) {
        TaskRows rows;
        rows.texts = {first};
        rows.pairs = {second};
        const EncodedRows encoded = encode_rows(rows, tokenizer, tokens, max_length);
        Ids ids;
        std::vector<int32_t> segments;
        tokenizer.encode_pair(first, second, max_length, ids, segments);
        EXPECT_EQ(row_of(encoded, 0), ids) << first << " | " << second << " | " << max_length;
        EXPECT_EQ(encoded.first_segments[0], std::count(segments.begin(), segments.end(), 0));
      }
    }
  }
}

TEST(EncodedRows, GptBeginsWithTheEndOfTextAndEndsWithTheTextItself) {
  const auto tokenizer = load_tokenizer("bytes");
  const TokenId end = *tokenizer->end_of_text();
  const RowTokens tokens = row_tokens(*tokenizer, Objective::kCausal, "here");
  TaskRows rows;
  rows.texts = {"ab", ""};
  const EncodedRows single = encode_rows(rows, *tokenizer, tokens, 16);
  EXPECT_EQ(row_of(single, 0), (Ids{end, 'a', 'b'}));
  EXPECT_EQ(row_of(single, 1), (Ids{end}));
  rows.pairs = {"c", "d"};
  const EncodedRows paired = encode_rows(rows, *tokenizer, tokens, 16);
  EXPECT_EQ(row_of(paired, 0), (Ids{end, 'a', 'b', end, 'c'}));
  EXPECT_EQ(row_of(paired, 1), (Ids{end, end, 'd'}));
}

TEST(EncodedRows, CountsWhatWasCut) {
  const auto tokenizer = load_tokenizer("bytes");
  const RowTokens tokens = row_tokens(*tokenizer, Objective::kCausal, "here");
  TaskRows rows;
  rows.texts = {"abcdefg", "abcdefgh"};
  const EncodedRows encoded = encode_rows(rows, *tokenizer, tokens, 8);
  EXPECT_EQ(encoded.length(1), 8);
  EXPECT_EQ(encoded.num_truncated, 1);
}

TEST(EncodedRows, AMaskedModelNeedsItsSpecialTokens) {
  const auto tokenizer = load_tokenizer("bytes");
  EXPECT_EQ(thrown_text<DataError>([&] { row_tokens(*tokenizer, Objective::kMasked, "here"); }),
            "here: the tokenizer of a masked model must have [CLS], [SEP], [PAD] and [MASK]; it "
            "names no [CLS], [SEP], [PAD], [MASK]");
}

}  // namespace
}  // namespace apollo
