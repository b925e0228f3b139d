// Which document each token of a sequence belongs to.
#pragma once

#include <cstdint>
#include <span>

namespace apollo {

// Counts documents from 0: a token `end` is the last of its document. `numbers` is as long as
// `tokens`.
inline void number_documents(std::span<const int64_t> tokens, int64_t end,
                             std::span<int64_t> numbers) {
  int64_t document = 0;
  for (size_t i = 0; i < tokens.size(); i++) {
    numbers[i] = document;
    if (tokens[i] == end) document++;
  }
}

}  // namespace apollo
