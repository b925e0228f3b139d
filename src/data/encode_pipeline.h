// Encodes text to token ids on several threads and passes them on in the order of the text.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "data/text_pieces.h"
#include "text/tokenizer.h"

namespace apollo {

// The ids of one piece of a document, including the end-of-text token if the document ends here.
struct EncodedPiece {
  std::span<const TokenId> ids;
  int64_t text_bytes = 0;
  int64_t invalid_sequences = 0;
  int64_t source = 0;  // index into TextPieces::sources()
  bool end_of_document = false;
};

// Calls `sink` from this thread with every piece of `text`, in order. The files must have been
// opened for this tokenizer (TextOptions). Holds a few MiB of text per thread at a time. Throws
// Interrupted on a signal, and whatever reading or encoding throws.
void encode_pieces(TextPieces& text, const Tokenizer& tokenizer, int64_t num_threads,
                   bool show_progress, const std::function<void(const EncodedPiece&)>& sink);

}  // namespace apollo
