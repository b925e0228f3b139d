// Encodes many texts at once, on several threads.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace apollo {

// The ids of all texts in one row: text i has ids[ends[i - 1] .. ends[i]), and the first starts at
// 0.
struct EncodedBatch {
  std::vector<TokenId> ids;
  std::vector<int64_t> ends;
};

// The same as Tokenizer::encode() on each of `texts` (UTF-8), for any number of threads (0: all
// cores).
EncodedBatch encode_batch(const Tokenizer& tokenizer, std::span<const std::string_view> texts,
                          bool parse_special, int64_t num_threads);

}  // namespace apollo
