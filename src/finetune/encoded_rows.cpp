#include "finetune/encoded_rows.h"

#include <algorithm>

#include "base/error.h"
#include "base/stop_signal.h"
#include "text/token_roles.h"

namespace apollo {
namespace {

constexpr int64_t kRowsBetweenStopChecks = 1024;

void append(const std::optional<TokenId>& token, std::vector<TokenId>& ids) {
  if (token) ids.push_back(*token);
}

}  // namespace

std::pair<int64_t, int64_t> truncated_lengths(int64_t first, int64_t second, int64_t budget) {
  if (first + second <= budget) return {first, second};
  const bool swapped = first > second;
  int64_t shorter = std::min(first, second);
  int64_t longer = std::max(shorter, budget - shorter);
  if (shorter + longer > budget) {
    shorter = budget / 2;
    longer = budget - shorter;
  }
  return swapped ? std::pair(longer, shorter) : std::pair(shorter, longer);
}

RowTokens row_tokens(const Tokenizer& tokenizer, Objective objective, const std::string& folder) {
  if (objective == Objective::kMasked) {
    const TokenRoles& roles = tokenizer.roles();
    if (const std::string missing = missing_mask_roles(roles); !missing.empty()) {
      fail<DataError>(
          "{}: the tokenizer of a masked model must have [CLS], [SEP], [PAD] and "
          "[MASK]; it names no {}",
          folder, missing);
    }
    return {*roles.cls, *roles.sep, *roles.sep, *roles.pad};
  }
  const std::optional<TokenId> end = tokenizer.end_of_text();
  if (!end) {
    fail<DataError>(
        "{}: the tokenizer names no end of text (eos_token), which stands before every text and "
        "pads",
        folder);
  }
  return {*end, *end, std::nullopt, tokenizer.roles().pad.value_or(*end)};
}

EncodedRows encode_rows(const TaskRows& rows, const Tokenizer& tokenizer, const RowTokens& tokens,
                        int64_t max_length) {
  EncodedRows encoded;
  encoded.classes = rows.classes;
  encoded.numbers = rows.numbers;
  encoded.begins.reserve(rows.texts.size() + 1);
  const bool paired = !rows.pairs.empty();
  const int64_t num_special = tokens.begin.has_value() + tokens.end.has_value() +
                              (paired ? tokens.separator.has_value() : 0);
  std::vector<TokenId> first;
  std::vector<TokenId> second;
  for (size_t i = 0; i < rows.texts.size(); ++i) {
    if (i % kRowsBetweenStopChecks == 0) throw_if_stopped();
    first.clear();
    second.clear();
    tokenizer.encode(rows.texts[i], first);
    if (paired) tokenizer.encode(rows.pairs[i], second);
    const auto [num_first, num_second] =
        truncated_lengths(static_cast<int64_t>(first.size()), static_cast<int64_t>(second.size()),
                          max_length - num_special);
    encoded.num_truncated +=
        num_first + num_second < static_cast<int64_t>(first.size() + second.size());

    const auto row_begin = static_cast<int64_t>(encoded.ids.size());
    append(tokens.begin, encoded.ids);
    encoded.ids.insert(encoded.ids.end(), first.begin(), first.begin() + num_first);
    if (paired) append(tokens.separator, encoded.ids);
    const auto second_begin = static_cast<int64_t>(encoded.ids.size());
    encoded.ids.insert(encoded.ids.end(), second.begin(), second.begin() + num_second);
    append(tokens.end, encoded.ids);
    const auto row_end = static_cast<int64_t>(encoded.ids.size());
    encoded.first_segments.push_back((paired ? second_begin : row_end) - row_begin);
    encoded.begins.push_back(static_cast<int64_t>(encoded.ids.size()));
  }
  return encoded;
}

}  // namespace apollo
