// Text of txt and jsonl files, each plain, .gz, .xz or .zst, as a stream of documents in pieces.
//
// txt: one document, or several that end with a line that is exactly "<|endoftext|>"; that line
// belongs to none of them, and the same inside of a line is text, counted. jsonl: every line is an
// object of which one field ("text") is one document. Which of the two a file is, text_form.h
// tells. Documents of 0 bytes are passed over. A byte order mark at the start of a file is dropped.
// Line ends stay as they are, CRLF too: a token for "\r" is a smaller evil than training on other
// text than the user's. A few ill-formed sequences of UTF-8 become U+FFFD, as HF does; text in
// another encoding is refused (text_encoding.h).
//
// Invariant: encoding the pieces of a document one by one (Tokenizer::encode_piece) gives the ids
// of the whole document. A piece ends between a character that is not white space and white space.
// There no pre-token of GPT-2's pattern
//   's|'t|...| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// can go on, since all that take a non-space take nothing but non-spaces after it; the only
// lookahead, (?!\S), asks for the character after a run of white space, and both lie on one side of
// the cut. The next match looks at nothing before its start. BERT's pre-tokeniser splits at white
// space anyway. No added token of the tokenizer touches the cut (Tokenizer::may_cut), so what such
// tokens look at or take along (a word's neighbours, white space) lies on one side too, and a
// prefix space is put before a document's first piece alone. A piece depends on the text alone, not
// on how the file's bytes arrive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/byte_source.h"
#include "data/text_encoding.h"
#include "data/text_pieces.h"
#include "text/tokenizer.h"

namespace apollo {

inline constexpr std::string_view kDocumentSeparator = "<|endoftext|>";

struct TextOptions {
  std::string text_field = "text";  // of jsonl
  const Tokenizer* tokenizer =
      nullptr;                    // whose ids the pieces keep; null: one without added tokens
  size_t piece_bytes = 1 << 20;   // usual length of a piece; tests make it small
  bool may_hold_nothing = false;  // a file without text is no error
};

class TextReader {
 public:
  explicit TextReader(const std::filesystem::path& path, TextOptions options = {});

  // The next piece of valid UTF-8, at most `piece_bytes` long where it can be cut, at most
  // kMaxStretch times that where it does not (what is longer is cut at any character: there alone
  // ids may differ from those of the whole document). False at the end of the file. Throws
  // DataError where the file holds no text, is damaged (of jsonl with line) or in another encoding.
  bool next(std::string& piece, bool& end_of_document);

  int64_t file_bytes_read() const { return source_->file().bytes_read(); }
  int64_t file_size() const { return source_->file().size(); }  // 0: a pipe
  // The hash of the file as it is on disk; complete once next() returned false.
  std::string file_hash() const { return source_->file().hash(); }
  int64_t num_invalid_sequences() const { return utf8_.num_invalid(); }
  const Utf8Repair& utf8() const { return utf8_; }
  bool gave_text() const { return gave_text_; }
  // What the file was taken for, where its name says something else: "JSON lines"; else "".
  const std::string& taken_for() const { return taken_for_; }
  // The first line is a JSON object that has no text field, in a file that is read as plain text.
  bool looks_like_other_json() const { return looks_like_other_json_; }
  // "<|endoftext|>" in the text of documents, where it separates none.
  int64_t num_inline_separators() const { return num_inline_separators_; }
  int64_t first_inline_line() const { return first_inline_line_; }

 private:
  static constexpr size_t kMaxStretch = 16;
  // A damaged place at the start of a long file is no reason to refuse it; nor should a long file
  // in another encoding be read to its end.
  static constexpr int64_t kCheckBytes = 16 << 20;

  void find_form(const std::filesystem::path& path);
  bool next_plain(std::string& piece, bool& end_of_document);
  void find_document_end();
  bool next_json(std::string& piece, bool& end_of_document);
  bool read_line(std::string& line);
  std::string parse_document(const std::string& line) const;
  size_t piece_length(std::string_view text, bool is_whole);
  size_t find_cut(std::string_view text, size_t from, size_t to) const;
  void count_inline_separators(std::string_view piece, int64_t line);
  void read_more();
  void take_repaired(size_t length, std::string& out);

  std::string name_;
  TextOptions options_;
  bool is_jsonl_ = false;
  std::string taken_for_;
  bool looks_like_other_json_ = false;
  std::unique_ptr<ByteSource> source_;
  bool source_ended_ = false;
  bool gave_text_ = false;
  Utf8Repair utf8_;
  int64_t next_check_ = kCheckBytes;

  std::string buffer_;     // bytes of the file, not yet used from begin_ on
  int64_t buffer_at_ = 0;  // where in the unpacked file it starts
  size_t begin_ = 0;
  size_t scanned_ = 0;  // no line end or, in plain text, no separator lies in [begin_, scanned_)

  // How long the next piece may be; there is no cut in its first searched_ bytes.
  size_t window_;
  size_t searched_ = 0;

  int64_t line_ = 0;  // plain text: line ends before begin_; jsonl: lines read
  int64_t num_inline_separators_ = 0;
  int64_t first_inline_line_ = 0;

  // Plain text only.
  bool mid_line_ = false;  // the line at scanned_ began before it
  std::optional<size_t> document_end_;
  size_t next_document_ = 0;

  // jsonl only.
  std::string document_;
  size_t document_begin_ = 0;
};

// Several files, one after the other. All are looked for before the first is read; of several, one
// that is empty is passed over with a warning.
class TextFiles final : public TextPieces {
 public:
  // Throws DataError where `files` is empty or none of them holds text, and one that names every
  // file that is missing, unreadable or of a form that is no text.
  explicit TextFiles(std::vector<std::filesystem::path> files, TextOptions options = {});

  // As TextReader::next, across files; a document ends with its file.
  bool next(std::string& piece, bool& end_of_document) override;

  int64_t bytes_read() const override;
  int64_t total_bytes() const override { return total_bytes_; }
  int64_t num_invalid_sequences() const override;
  int64_t source_index() const override { return std::ssize(sources_); }
  // The files that were read to their end.
  std::vector<DatasetSource> sources() const override { return sources_; }
  void warn() const override;

 private:
  void open_next();

  std::vector<std::filesystem::path> files_;
  TextOptions options_;
  int64_t total_bytes_ = 0;
  bool gave_text_ = false;
  std::unique_ptr<TextReader> reader_;
  std::vector<DatasetSource> sources_;
  int64_t finished_bytes_ = 0;
  Utf8Repair finished_utf8_;
  int64_t num_inline_separators_ = 0;
  std::string first_inline_;  // "file:line"
};

}  // namespace apollo
