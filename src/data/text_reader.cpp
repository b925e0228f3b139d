#include "data/text_reader.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kMaxJsonLineBytes = size_t{1} << 30;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

fs::path suffix_without_compression(const fs::path& path) {
  return is_compression_suffix(path.extension()) ? path.stem().extension() : path.extension();
}

void check_form(const fs::path& path) {
  constexpr std::array kNoText = {".7z",  ".arrow", ".bin",     ".bz2",  ".json", ".npy",
                                  ".pdf", ".rar",   ".parquet", ".tar",  ".tgz",  ".zip",
                                  ".doc", ".docx",  ".epub",    ".lzma", ".bz",   ".safetensors"};
  const fs::path suffix = suffix_without_compression(path);
  if (std::find(kNoText.begin(), kNoText.end(), suffix) == kNoText.end()) return;
  fail<DataError>(
      "{}: expected plain text or .jsonl (a JSON object with a field 'text' a line), each as it is "
      "or as .gz, .xz or .zst; found a file of form '{}'",
      path.string(), suffix.string());
}

bool is_separator(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line == kDocumentSeparator;
}

// Whether `text` (not empty) surely ends with a character that is not white space to any
// tokenizer. Beyond ASCII, all white space of Unicode is ruled out, past versions' too, and a few
// invisible neighbours with it; an ill-formed sequence becomes U+FFFD, which is none.
bool ends_in_no_space(std::string_view text) {
  const auto last = static_cast<unsigned char>(text.back());
  if (last < 0x80) return last > ' ' && last != 0x7F;
  constexpr std::string_view kSpaces[] = {"\xC2\x85",     "\xC2\xA0",     "\xE1\x9A\x80",
                                          "\xE1\xA0\x8E", "\xE2\x81\x9F", "\xE3\x80\x80",
                                          kByteOrderMark};
  for (const std::string_view space : kSpaces) {
    if (text.ends_with(space)) return false;
  }
  const bool is_punctuation_block =
      text.size() >= 3 && text.substr(text.size() - 3, 2) == "\xE2\x80";
  return !is_punctuation_block || (last > 0x8F && last < 0xA8) || last > 0xAF;
}

// The last place in `text` where a piece may end so that a character of `spaces` follows, or 0.
size_t last_cut_before(std::string_view text, std::string_view spaces) {
  for (size_t place = text.find_last_of(spaces); place != std::string_view::npos && place > 0;
       place = text.find_last_of(spaces, place - 1)) {
    if (ends_in_no_space(text.substr(0, place))) return place;
  }
  return 0;
}

size_t last_cut(std::string_view text) {
  const size_t at_line_end = last_cut_before(text, "\r\n");
  return at_line_end > 0 ? at_line_end : last_cut_before(text, " \t");
}

// The last place not inside a UTF-8 sequence.
size_t last_character_start(std::string_view text) {
  size_t place = text.size() - 1;
  while (place > 1 && text.size() - place < 4 && (text[place] & 0xC0) == 0x80)
    place--;
  return place;
}

}  // namespace

TextReader::TextReader(const fs::path& path, size_t piece_bytes)
    : name_(path.string()), piece_bytes_(piece_bytes) {
  check_form(path);
  const fs::path suffix = suffix_without_compression(path);
  is_jsonl_ = suffix == ".jsonl" || suffix == ".ndjson";
  source_ = ByteSource::open(path);
  while (buffer_.size() < kTextStartBytes && !source_ended_)
    read_more();
  check_text_start(name_, buffer_);
  if (buffer_.starts_with(kByteOrderMark)) begin_ = scanned_ = kByteOrderMark.size();
}

bool TextReader::next(std::string& piece, bool& end_of_document) {
  const bool found =
      is_jsonl_ ? next_json(piece, end_of_document) : next_plain(piece, end_of_document);
  gave_text_ = gave_text_ || found;
  if (!found || utf8_.num_bytes() >= next_check_) {
    utf8_.check();
    next_check_ = utf8_.num_bytes() + kCheckBytes;
  }
  if (!gave_text_) fail<DataError>("{}: file holds no text", name_);
  return found;
}

bool TextReader::next_plain(std::string& piece, bool& end_of_document) {
  for (;;) {
    if (!document_end_) find_document_end();
    const size_t end = document_end_.value_or(buffer_.size());
    const auto text = std::string_view(buffer_).substr(begin_, end - begin_);
    const size_t length = piece_length(text, document_end_.has_value());
    if (length > 0) {
      take_repaired(length, piece);
      begin_ += length;
      if (!document_end_ && begin_ > scanned_) {
        scanned_ = begin_;
        mid_line_ = true;
      }
    }
    end_of_document = document_end_ && begin_ == *document_end_;
    if (end_of_document) {
      begin_ = scanned_ = next_document_;
      mid_line_ = false;
      document_end_.reset();
    }
    if (length > 0) return true;
    if (source_ended_ && begin_ == buffer_.size()) return false;
    if (!end_of_document) read_more();
  }
}

void TextReader::find_document_end() {
  const std::string_view text = buffer_;
  for (size_t line_end = text.find('\n', scanned_); line_end != std::string_view::npos;
       line_end = text.find('\n', scanned_)) {
    if (!mid_line_ && is_separator(text.substr(scanned_, line_end - scanned_))) {
      document_end_ = scanned_;
      next_document_ = line_end + 1;
      return;
    }
    scanned_ = line_end + 1;
    mid_line_ = false;
  }
  if (!source_ended_) return;
  document_end_ = !mid_line_ && is_separator(text.substr(scanned_)) ? scanned_ : text.size();
  next_document_ = text.size();
}

bool TextReader::next_json(std::string& piece, bool& end_of_document) {
  std::string line;
  while (document_begin_ == document_.size()) {
    if (!read_line(line)) return false;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    document_ = parse_document(line);
    document_begin_ = 0;
  }
  const auto text = std::string_view(document_).substr(document_begin_);
  const size_t length = piece_length(text, /*is_whole=*/true);
  piece.assign(text.substr(0, length));
  document_begin_ += length;
  end_of_document = document_begin_ == document_.size();
  return true;
}

bool TextReader::read_line(std::string& line) {
  size_t line_end = buffer_.find('\n', scanned_);
  while (line_end == std::string::npos && !source_ended_) {
    scanned_ = buffer_.size();
    if (scanned_ - begin_ > kMaxJsonLineBytes) {
      fail<DataError>("{}:{}: line is longer than 1 GiB (in jsonl every line is one document)",
                      name_, line_ + 1);
    }
    read_more();
    line_end = buffer_.find('\n', scanned_);
  }
  if (line_end == std::string::npos && begin_ == buffer_.size()) return false;
  const size_t end = std::min(line_end, buffer_.size());
  take_repaired(end - begin_, line);
  begin_ = scanned_ = std::min(end + 1, buffer_.size());
  line_++;
  return true;
}

std::string TextReader::parse_document(const std::string& line) const {
  nlohmann::json object;
  try {
    object = nlohmann::json::parse(line);
  } catch (const nlohmann::json::parse_error& error) {
    fail<DataError>("{}:{}:{}: damaged JSON (in jsonl every line is an object with a field 'text')",
                    name_, line_, error.byte);
  }
  if (!object.is_object()) {
    fail<DataError>("{}:{}: expected an object with a field 'text', found {}", name_, line_,
                    object.type_name());
  }
  const auto text = object.find("text");
  if (text == object.end()) {
    std::string fields;
    for (const auto& [key, value] : object.items()) {
      fields += (fields.empty() ? "'" : ", '") + key + "'";
    }
    fail<DataError>("{}:{}: no field 'text' (found {})", name_, line_,
                    fields.empty() ? "none" : fields);
  }
  if (!text->is_string()) {
    fail<DataError>("{}:{}: field 'text': expected a string, found {}", name_, line_,
                    text->type_name());
  }
  return std::move(text->get_ref<std::string&>());
}

// Length of the next piece of `text`; 0 where more of it must be read to tell.
size_t TextReader::piece_length(std::string_view text, bool is_whole) const {
  for (size_t window = piece_bytes_;; window *= 2) {
    if (text.size() <= window) return is_whole ? text.size() : 0;
    if (const size_t cut = last_cut(text.substr(0, window + 1)); cut > 0) return cut;
    if (window >= kMaxStretch * piece_bytes_) {
      return last_character_start(text.substr(0, window + 1));
    }
  }
}

void TextReader::read_more() {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    buffer_at_ += static_cast<int64_t>(begin_);
    scanned_ -= begin_;
    begin_ = 0;
  }
  const size_t old_size = buffer_.size();
  buffer_.resize(old_size + kReadBytes);
  const size_t count = source_->read({buffer_.data() + old_size, kReadBytes});
  buffer_.resize(old_size + count);
  source_ended_ = count == 0;
}

// The next `length` bytes, which stay in the buffer.
void TextReader::take_repaired(size_t length, std::string& out) {
  utf8_.repair(std::string_view(buffer_).substr(begin_, length), name_,
               buffer_at_ + static_cast<int64_t>(begin_), out);
}

TextFiles::TextFiles(std::vector<fs::path> files, size_t piece_bytes)
    : files_(std::move(files)), piece_bytes_(piece_bytes) {
  if (files_.empty()) fail<DataError>("no text files were given");
  for (const fs::path& file : files_) {
    check_form(file);
    total_bytes_ += checked_file_size(file);
  }
}

bool TextFiles::next(std::string& piece, bool& end_of_document) {
  for (;;) {
    if (reader_ == nullptr) {
      if (sources_.size() == files_.size()) return false;
      reader_ = std::make_unique<TextReader>(files_[sources_.size()], piece_bytes_);
    }
    if (reader_->next(piece, end_of_document)) return true;
    finished_bytes_ += reader_->file_bytes_read();
    finished_utf8_.add(reader_->utf8());
    finished_utf8_.check();
    sources_.push_back({files_[sources_.size()], reader_->file_bytes_read(), reader_->file_hash()});
    reader_.reset();
  }
}

int64_t TextFiles::file_bytes_read() const {
  return finished_bytes_ + (reader_ != nullptr ? reader_->file_bytes_read() : 0);
}

int64_t TextFiles::num_invalid_sequences() const {
  return finished_utf8_.num_invalid() + (reader_ != nullptr ? reader_->num_invalid_sequences() : 0);
}

}  // namespace apollo
