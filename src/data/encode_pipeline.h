// Text files to token ids on several threads, handed on in the order of the text.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "data/text_reader.h"
#include "text/tokenizer.h"

namespace apollo {

// Ids of one piece of a document, the end-of-text token included where it ends one.
struct EncodedPiece {
  std::span<const TokenId> ids;
  int64_t text_bytes = 0;
  int64_t invalid_sequences = 0;
  int64_t file = 0;  // in the order of the files
  bool end_of_document = false;
};

// `files` must have been opened for this tokenizer (TextOptions). Calls `sink` from this thread
// with every piece of `files`, in order. Holds a few MiB of text a thread at a time. Throws
// Interrupted on a signal, and whatever reading or encoding throws.
void encode_files(TextFiles& files, const Tokenizer& tokenizer, int64_t num_threads,
                  bool show_progress, const std::function<void(const EncodedPiece&)>& sink);

}  // namespace apollo
