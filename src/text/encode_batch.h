// Many texts at once, on several threads.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace apollo {

// The ids of all texts in one row: those of text i are ids[ends[i - 1] .. ends[i]), the first from
// 0.
struct EncodedBatch {
  std::vector<TokenId> ids;
  std::vector<int64_t> ends;
};

// As Tokenizer::encode() of each of `texts` (UTF-8), whatever the number of threads (0: all cores).
EncodedBatch encode_batch(const Tokenizer& tokenizer, std::span<const std::string_view> texts,
                          bool parse_special, int64_t num_threads);

}  // namespace apollo
