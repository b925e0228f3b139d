// Reads txt and jsonl files, each plain, .gz, .xz or .zst, as a stream of documents in pieces.
//
// txt: one document, or several that end with a line that is exactly "<|endoftext|>". That line
// belongs to none of them; the same characters inside a line are text, and counted. jsonl: every
// line is an object of which one field ("text") is one document. text_form.h tells which of the two
// a file is. Documents of 0 bytes are skipped. A byte order mark at the start of a file is dropped.
// Line ends stay as they are, including CRLF: a token for "\r" is a smaller evil than training on
// other text than the user's. A few ill-formed sequences of UTF-8 become U+FFFD, as in HF; text in
// another encoding is refused (text_encoding.h).
//
// Invariant: encoding the pieces of a document one by one (Tokenizer::encode_piece) gives the ids
// of the whole document. A piece ends between a character that is not white space and white space.
// No pre-token of GPT-2's pattern
//   's|'t|...| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// can extend across such a place, because after a non-space all of them take only non-spaces. The
// only lookahead, (?!\S), reads the character after a run of white space, and both are on the same
// side of the cut. The next match reads nothing before its start. BERT's pre-tokeniser splits at
// white space anyway. No added token of the tokenizer touches the cut (Tokenizer::may_cut), so what
// such tokens read or include (a word's neighbours, white space) is on one side too. A prefix space
// is added only before a document's first piece. A piece depends only on the text, not on how the
// file's bytes arrive.
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
  size_t piece_bytes = 1 << 20;   // usual length of a piece; tests use small ones
  bool may_hold_nothing = false;  // whether a file may be without text
};

class TextReader {
 public:
  explicit TextReader(const std::filesystem::path& path, TextOptions options = {});

  // Gets the next piece of valid UTF-8. It has at most `piece_bytes` bytes if it can be cut there,
  // else at most kMaxStretch times as many. Longer text is cut at any character; only there ids may
  // differ from those of the whole document. Returns false at the end of the file. Throws DataError
  // if the file has no text, is damaged (for jsonl with the line) or is in another encoding.
  bool next(std::string& piece, bool& end_of_document);

  int64_t file_bytes_read() const { return source_->file().bytes_read(); }
  int64_t file_size() const { return source_->file().size(); }  // 0: a pipe
  // The hash of the file as it is on disk; complete once next() has returned false.
  std::string file_hash() const { return source_->file().hash(); }
  int64_t num_invalid_sequences() const { return utf8_.num_invalid(); }
  const Utf8Repair& utf8() const { return utf8_; }
  bool gave_text() const { return gave_text_; }
  // The form that was assumed, if the name says something else: "JSON lines"; else "".
  const std::string& taken_for() const { return taken_for_; }
  // The file is read as plain text, but its first line is a JSON object without a text field.
  bool looks_like_other_json() const { return looks_like_other_json_; }
  // How often "<|endoftext|>" occurs inside the text of documents, where it separates nothing.
  int64_t num_inline_separators() const { return num_inline_separators_; }
  int64_t first_inline_line() const { return first_inline_line_; }

 private:
  static constexpr size_t kMaxStretch = 16;
  // The encoding is judged once every so many bytes: one damaged place at the start of a long file
  // is no reason to refuse it, but a long file in another encoding should not be read to its end.
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

  std::string buffer_;     // bytes of the file, unused from begin_ on
  int64_t buffer_at_ = 0;  // its place in the unpacked file
  size_t begin_ = 0;
  size_t scanned_ = 0;  // no line end or, in plain text, no separator lies in [begin_, scanned_)

  // The largest length of the next piece; its first searched_ bytes contain no cut.
  size_t window_;
  size_t searched_ = 0;

  int64_t line_ = 0;  // plain text: line ends before begin_; jsonl: lines read
  int64_t num_inline_separators_ = 0;
  int64_t first_inline_line_ = 0;

  // Only for plain text.
  bool mid_line_ = false;  // the line at scanned_ began before it
  std::optional<size_t> document_end_;
  size_t next_document_ = 0;

  // Only for jsonl.
  std::string document_;
  size_t document_begin_ = 0;
};

// Several files, one after the other. All must exist before the first is read. If there are
// several, an empty one is skipped with a warning.
class TextFiles final : public TextPieces {
 public:
  // Throws DataError if `files` is empty or none of them has text. Another one names every file
  // that is missing, unreadable or not text.
  explicit TextFiles(std::vector<std::filesystem::path> files, TextOptions options = {});

  // Like TextReader::next(), across files; a document ends with its file.
  bool next(std::string& piece, bool& end_of_document) override;

  int64_t bytes_read() const override;
  int64_t total_bytes() const override { return total_bytes_; }
  int64_t num_invalid_sequences() const override;
  int64_t source_index() const override { return std::ssize(sources_); }
  // The files that were read completely.
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
