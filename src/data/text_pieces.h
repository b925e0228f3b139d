// Text that is to be encoded, as a stream of documents in pieces: what prepare() and its pipeline
// see of files (text_reader.h) and of documents that a caller hands over one by one.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/hash.h"
#include "data/token_dataset.h"

namespace apollo {

class TextPieces {
 public:
  virtual ~TextPieces() = default;

  // The next piece of valid UTF-8, whose ids are its share of the document's (text_reader.h). False
  // at the end of the text.
  virtual bool next(std::string& piece, bool& end_of_document) = 0;

  // How far it is, for a progress line; 0 where it is not known how much there is.
  virtual int64_t bytes_read() const = 0;
  virtual int64_t total_bytes() const = 0;
  virtual int64_t num_invalid_sequences() const = 0;  // replaced so far
  // Of the last piece, its place in sources() once all is read.
  virtual int64_t source_index() const = 0;
  virtual std::vector<DatasetSource> sources() const = 0;
  // Says in the log what was found in the text that a user may not have meant.
  virtual void warn() const = 0;
};

// Documents from whoever has them, each a piece however long it is. Empty ones are passed over.
class TextDocuments final : public TextPieces {
 public:
  // Gives the next document, valid UTF-8; false when there is no more.
  using Next = std::function<bool(std::string& document)>;

  explicit TextDocuments(Next next) : next_(std::move(next)) {}

  // Throws DataError where there was no text at all.
  bool next(std::string& piece, bool& end_of_document) override;
  int64_t bytes_read() const override { return bytes_; }
  int64_t total_bytes() const override { return 0; }
  int64_t num_invalid_sequences() const override { return 0; }
  int64_t source_index() const override { return 0; }
  std::vector<DatasetSource> sources() const override;
  void warn() const override {}

 private:
  Next next_;
  int64_t bytes_ = 0;
  int64_t num_documents_ = 0;
  StreamHash hash_;
};

}  // namespace apollo
