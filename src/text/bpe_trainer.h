// Trains byte-level BPE: pre-tokenise as GPT-2, count words in a stream, merge the most frequent
// pair until the vocabulary is full. Counts are 64-bit; the result depends neither on the number
// of threads nor on the order of the files' chunks.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace apollo {

struct BpeTrainerOptions {
  int64_t vocab_size = 8192;  // with the 256 bytes and the special token
  int64_t min_frequency = 2;  // of a pair, to be merged
  int64_t num_threads = 0;    // 0: all cores
  bool show_progress = true;
};

// Gives the next piece of text, at most a few MiB, cut where a pre-token ends (for example after a
// line); false when there is no more. Called from one thread.
using TextSource = std::function<bool(std::string& piece)>;

// Throws DataError where the text allows fewer tokens than `vocab_size` (naming how many).
std::unique_ptr<Tokenizer> train_bpe(const TextSource& source, const BpeTrainerOptions& options);

}  // namespace apollo
