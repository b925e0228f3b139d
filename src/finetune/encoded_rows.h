// Rows as tokens, encoded once: turns a text or a pair into what the model reads.
//
// BERT reads [CLS] text [SEP] pair [SEP], where the pair has token type 1. GPT reads eos text, or
// eos text eos pair, without a token at the end, because the classifier reads the last token of the
// text itself. So eos can serve as padding: GPT2ForSequenceClassification reads the last token that
// is not padding. An empty text still has a token, without which `transformers` cannot run it
// through a model. The tokenizer of a saved classifier encodes in the same way.
//
// A row that is too long loses the ends of its texts, first of the longer one, like truncation
// "longest_first" of the `tokenizers` package.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arch/architecture.h"
#include "config/run_config.h"
#include "finetune/task_data.h"
#include "text/tokenizer.h"

namespace apollo {

// Returns the lengths of two texts after truncation to `budget` tokens in total.
std::pair<int64_t, int64_t> truncated_lengths(int64_t first, int64_t second, int64_t budget);

// The tokens of all rows, one row after the other.
struct EncodedRows {
  std::vector<TokenId> ids;
  std::vector<int64_t> begins = {0};    // row i: [begins[i], begins[i + 1])
  std::vector<int64_t> first_segments;  // tokens of row i with type 0
  std::vector<int64_t> classes;         // as in TaskRows
  std::vector<double> numbers;
  int64_t num_truncated = 0;

  int64_t size() const { return static_cast<int64_t>(begins.size()) - 1; }
  int64_t length(int64_t row) const {
    return begins[static_cast<size_t>(row) + 1] - begins[static_cast<size_t>(row)];
  }
};

// The special tokens around a model's texts.
struct RowTokens {
  std::optional<TokenId> begin;      // before the first text
  std::optional<TokenId> separator;  // between two texts
  std::optional<TokenId> end;        // after the last text
  TokenId padding = 0;
};

// Throws DataError if the tokenizer lacks tokens that the objective needs; `folder` is its name in
// the message.
RowTokens row_tokens(const Tokenizer& tokenizer, Objective objective, const std::string& folder);

// Encodes the rows; each gets at least one and at most `max_length` tokens. Throws Interrupted if a
// signal asks to stop.
EncodedRows encode_rows(const TaskRows& rows, const Tokenizer& tokenizer, const RowTokens& tokens,
                        int64_t max_length);

}  // namespace apollo
