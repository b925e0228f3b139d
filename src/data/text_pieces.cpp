#include "data/text_pieces.h"

#include "base/error.h"

namespace apollo {

bool TextDocuments::next(std::string& piece, bool& end_of_document) {
  while (next_(piece)) {
    ++num_documents_;
    if (piece.empty()) continue;
    bytes_ += static_cast<int64_t>(piece.size());
    hash_.update(piece);
    return end_of_document = true;
  }
  if (bytes_ == 0) {
    fail<DataError>("expected documents with text, found {}",
                    num_documents_ == 0 ? "none" : "empty ones alone");
  }
  return false;
}

std::vector<DatasetSource> TextDocuments::sources() const {
  return {{"documents", bytes_, hash_.hex()}};
}

}  // namespace apollo
