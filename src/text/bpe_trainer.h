// Trains byte-level BPE: pre-tokenise as GPT-2, count words in a stream, merge the most frequent
// pair until the vocabulary is full. Counts are 64-bit; the result depends neither on the number
// of threads nor on the order of the pieces.
#pragma once

#include <cstdint>
#include <memory>

#include "text/tokenizer.h"
#include "text/word_counter.h"

namespace apollo {

struct BpeTrainerOptions {
  int64_t vocab_size = 8192;  // with the 256 bytes and the special token
  int64_t min_frequency = 2;  // of a pair, to be merged
  int64_t num_threads = 0;    // 0: all cores
  bool show_progress = true;
};

// Ids as `tokenizers` gives them: <|endoftext|> is 0, then the bytes in the order of their
// characters (byte_level.h), then the merges. Of equally frequent pairs the one with the smaller
// ids is merged first.
//
// `source` is called from this thread. A piece must end where a pre-token ends whatever comes
// next: at the end of a document, or between a character that is no white space and white space.
// A few MiB a piece serve best. "<|endoftext|>" in the text is no word and ends one.
//
// Throws DataError where there is no text, or the text allows fewer tokens than `vocab_size`
// (naming how many).
std::unique_ptr<Tokenizer> train_bpe(const TextSource& source, const BpeTrainerOptions& options);

}  // namespace apollo
