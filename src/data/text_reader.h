// Text of txt and jsonl files, each plain, .gz, .xz or .zst, as a stream of documents in pieces.
//
// txt (any suffix but .jsonl and .ndjson): one document, or several that end with a line that is
// exactly "<|endoftext|>"; that line belongs to none of them. jsonl: every line is an object whose
// field "text" is one document. Documents of 0 bytes are passed over. A byte order mark at the
// start of a file is dropped. Line ends stay as they are, CRLF too: a token for "\r" is a smaller
// evil than training on other text than the user's. A few ill-formed sequences of UTF-8 become
// U+FFFD, as HF does; text in another encoding is refused (text_encoding.h).
//
// Invariant: encoding the pieces of a document one by one gives the ids of the whole document. A
// piece ends between a character that is not white space and white space. There no pre-token of
// GPT-2's pattern 's|'t|...| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ can go on, since all
// that take a non-space take nothing but non-spaces after it; the only lookahead, (?!\S), asks for
// the character after a run of white space, and both lie on one side of the cut. The next match
// looks at nothing before its start. BERT's pre-tokeniser splits at white space anyway.
// A piece depends on the text alone, not on how the file's bytes arrive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/byte_source.h"
#include "data/text_encoding.h"

namespace apollo {

inline constexpr std::string_view kDocumentSeparator = "<|endoftext|>";

class TextReader {
 public:
  static constexpr size_t kPieceBytes = 1 << 20;

  // `piece_bytes`: the usual length of a piece; tests make it small.
  explicit TextReader(const std::filesystem::path& path, size_t piece_bytes = kPieceBytes);

  // The next piece of valid UTF-8, at most `piece_bytes` long where it holds white space, at most
  // kMaxStretch times that where it does not (what is longer is cut at any character: there alone
  // ids may differ from those of the whole document). False at the end of the file. Throws
  // DataError where the file holds no text, is damaged (of jsonl with line) or in another encoding.
  bool next(std::string& piece, bool& end_of_document);

  int64_t file_bytes_read() const { return source_->file().bytes_read(); }
  int64_t file_size() const { return source_->file().size(); }  // 0: a pipe
  // Of the file as it lies on disk; complete once next() returned false.
  std::string file_hash() const { return source_->file().hash(); }
  int64_t num_invalid_sequences() const { return utf8_.num_invalid(); }
  const Utf8Repair& utf8() const { return utf8_; }

 private:
  static constexpr size_t kMaxStretch = 16;
  // A damaged place at the start of a long file is no reason to refuse it; nor should a long file
  // in another encoding be read to its end.
  static constexpr int64_t kCheckBytes = 16 << 20;

  bool next_plain(std::string& piece, bool& end_of_document);
  void find_document_end();
  bool next_json(std::string& piece, bool& end_of_document);
  bool read_line(std::string& line);
  std::string parse_document(const std::string& line) const;
  size_t piece_length(std::string_view text, bool is_whole) const;
  void read_more();
  void take_repaired(size_t length, std::string& out);

  std::string name_;
  bool is_jsonl_;
  size_t piece_bytes_;
  std::unique_ptr<ByteSource> source_;
  bool source_ended_ = false;
  bool gave_text_ = false;
  Utf8Repair utf8_;
  int64_t next_check_ = kCheckBytes;

  std::string buffer_;     // bytes of the file, not yet used from begin_ on
  int64_t buffer_at_ = 0;  // where in the unpacked file it starts
  size_t begin_ = 0;
  size_t scanned_ = 0;  // no line end or, in plain text, no separator lies in [begin_, scanned_)

  // Plain text only.
  bool mid_line_ = false;  // the line at scanned_ began before it
  std::optional<size_t> document_end_;
  size_t next_document_ = 0;

  // jsonl only.
  std::string document_;
  size_t document_begin_ = 0;
  int64_t line_ = 0;
};

// Several files, one after the other. All are looked for before the first is read.
class TextFiles {
 public:
  struct Source {
    std::filesystem::path path;
    int64_t bytes = 0;
    std::string hash;
  };

  // Throws DataError where `files` is empty, or one is missing, empty or of a form that is no text.
  explicit TextFiles(std::vector<std::filesystem::path> files,
                     size_t piece_bytes = TextReader::kPieceBytes);

  // As TextReader::next, across files; a document ends with its file.
  bool next(std::string& piece, bool& end_of_document);

  int64_t file_bytes_read() const;
  int64_t total_file_bytes() const { return total_bytes_; }
  int64_t num_invalid_sequences() const;
  // The files that were read to their end.
  const std::vector<Source>& sources() const { return sources_; }

 private:
  std::vector<std::filesystem::path> files_;
  size_t piece_bytes_;
  int64_t total_bytes_ = 0;
  std::unique_ptr<TextReader> reader_;
  std::vector<Source> sources_;
  int64_t finished_bytes_ = 0;
  Utf8Repair finished_utf8_;
};

}  // namespace apollo
