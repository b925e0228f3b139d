// Text to be encoded, as a stream of documents in pieces. This is what prepare() and its pipeline
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

  // Gets the next piece of valid UTF-8. Encoding the pieces of a document one by one gives the
  // document's ids (text_reader.h). Returns false at the end of the text.
  virtual bool next(std::string& piece, bool& end_of_document) = 0;

  // Progress of reading; the total is 0 if unknown.
  virtual int64_t bytes_read() const = 0;
  virtual int64_t total_bytes() const = 0;
  virtual int64_t num_invalid_sequences() const = 0;  // replaced so far
  // Returns which of sources() the last piece came from; valid once everything is read.
  virtual int64_t source_index() const = 0;
  virtual std::vector<DatasetSource> sources() const = 0;
  // Logs what was found in the text that the user may not have intended.
  virtual void warn() const = 0;
};

// Documents from any caller; each is one piece, however long. Empty ones are skipped.
class TextDocuments final : public TextPieces {
 public:
  // Gets the next document in valid UTF-8; returns false when there are no more.
  using Next = std::function<bool(std::string& document)>;

  explicit TextDocuments(Next next) : next_(std::move(next)) {}

  // Throws DataError if there was no text at all.
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
