#include "data/text_reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/json_checks.h"
#include "base/log.h"
#include "data/text_form.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr size_t kReadBytes = 256 << 10;
// In a file of unknown form a longer first line does not count as a JSON object.
constexpr size_t kMaxFirstLineBytes = size_t{64} << 20;
constexpr size_t kMaxJsonLineBytes = size_t{1} << 30;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

bool is_separator(std::string_view line) {
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line == kDocumentSeparator;
}

// Whether `text` (not empty) certainly ends with a character that no tokenizer treats as white
// space. Beyond ASCII this excludes all white space of any Unicode version, and a few invisible
// neighbours of it. An ill-formed sequence becomes U+FFFD, which is not white space.
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

// Returns the last place that is not inside a UTF-8 sequence.
size_t last_character_start(std::string_view text) {
  size_t place = text.size() - 1;
  while (place > 1 && text.size() - place < 4 && (text[place] & 0xC0) == 0x80)
    place--;
  return place;
}

}  // namespace

TextReader::TextReader(const fs::path& path, TextOptions options)
    : name_(path.string()), options_(std::move(options)), window_(options_.piece_bytes) {
  check_form(path);
  source_ = ByteSource::open(path);
  while (buffer_.size() < kTextStartBytes && !source_ended_)
    read_more();
  check_text_start(name_, buffer_);
  if (buffer_.starts_with(kByteOrderMark)) begin_ = scanned_ = kByteOrderMark.size();
  find_form(path);
}

void TextReader::find_form(const fs::path& path) {
  const std::string compression = compression_of(path);
  if (!is_compression_suffix(path.extension())) taken_for_ = compression;
  is_jsonl_ = is_jsonl_name(path);
  if (is_jsonl_) return;
  const auto start = [this] { return std::string_view(buffer_).substr(begin_); };
  const auto has_first_line = [&] {
    const size_t first = start().find_first_not_of(" \t\r\n");
    return first != std::string_view::npos && start().find('\n', first) != std::string_view::npos;
  };
  while (may_be_json(start()) && !has_first_line() && !source_ended_ &&
         buffer_.size() < kMaxFirstLineBytes) {
    read_more();
  }
  const FirstLine first = classify_first_line(start(), options_.text_field);
  is_jsonl_ = first == FirstLine::kDocument;
  if (is_jsonl_) taken_for_ += taken_for_.empty() ? "JSON lines" : " of JSON lines";
  if (!is_jsonl_ && text_suffix(path) == ".json") fail_form(path);
  looks_like_other_json_ = first == FirstLine::kOtherObject;
}

bool TextReader::next(std::string& piece, bool& end_of_document) {
  const bool found =
      is_jsonl_ ? next_json(piece, end_of_document) : next_plain(piece, end_of_document);
  gave_text_ = gave_text_ || found;
  if (!found || utf8_.num_bytes() >= next_check_) {
    utf8_.check();
    next_check_ = utf8_.num_bytes() + kCheckBytes;
  }
  if (!gave_text_ && !options_.may_hold_nothing) fail<DataError>("{}: file holds no text", name_);
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
      count_inline_separators(piece, line_ + 1);
      line_ += std::count(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
                          buffer_.begin() + static_cast<std::ptrdiff_t>(begin_ + length), '\n');
      begin_ += length;
      if (!document_end_ && begin_ > scanned_) {
        scanned_ = begin_;
        mid_line_ = true;
      }
    }
    end_of_document = document_end_ && begin_ == *document_end_;
    if (end_of_document) {
      if (next_document_ > begin_) line_++;
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
  count_inline_separators(piece, line_);
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
  const std::string& field = options_.text_field;
  if (const size_t deep = find_too_deep(line); deep != std::string::npos) {
    fail<DataError>("{}:{}:{}: damaged JSON: nested deeper than 100", name_, line_, deep + 1);
  }
  nlohmann::json object;
  try {
    object = nlohmann::json::parse(line);
  } catch (const nlohmann::json::parse_error& error) {
    fail<DataError>("{}:{}:{}: damaged JSON (in jsonl every line is an object with a field '{}')",
                    name_, line_, error.byte, field);
  } catch (const nlohmann::json::out_of_range&) {
    fail<DataError>("{}:{}: a number is beyond what a double holds", name_, line_);
  }
  if (!object.is_object()) {
    fail<DataError>("{}:{}: expected an object with a field '{}', found {}", name_, line_, field,
                    object.type_name());
  }
  const auto text = object.find(field);
  if (text == object.end()) {
    std::string fields;
    for (const auto& [key, value] : object.items()) {
      fields += (fields.empty() ? "'" : ", '") + key + "'";
    }
    fail<DataError>(
        "{}:{}: no field '{}' (found {}) (hint: data.text_field or --text-field names another)",
        name_, line_, field, fields.empty() ? "none" : fields);
  }
  if (!text->is_string()) {
    fail<DataError>("{}:{}: field '{}': expected a string, found {}", name_, line_, field,
                    text->type_name());
  }
  return std::move(text->get_ref<std::string&>());
}

// Returns the length of the next piece of `text`; 0 if more of it must be read to decide. What was
// searched before is not searched again, so text without white space costs no more than other text.
size_t TextReader::piece_length(std::string_view text, bool is_whole) {
  const size_t reach = options_.tokenizer != nullptr ? options_.tokenizer->cut_reach() : 0;
  size_t length = 0;
  for (; length == 0; window_ *= 2) {
    if (!is_whole && text.size() <= window_ + reach) return 0;
    if (text.size() <= window_) {
      length = text.size();
      break;
    }
    length = find_cut(text, searched_, window_);
    searched_ = window_;
    if (length == 0 && window_ >= kMaxStretch * options_.piece_bytes) {
      length = last_character_start(text.substr(0, window_ + 1));
    }
  }
  window_ = options_.piece_bytes;
  searched_ = 0;
  return length;
}

// Returns the last place in (from, to] of `text` where a piece may end, preferring a place before a
// line end; 0 if there is none.
size_t TextReader::find_cut(std::string_view text, size_t from, size_t to) const {
  const std::string_view region = text.substr(from, to - from + 1);
  for (const std::string_view spaces : {"\r\n", " \t"}) {
    for (size_t at = region.find_last_of(spaces); at != std::string_view::npos && at > 0;
         at = region.find_last_of(spaces, at - 1)) {
      const size_t place = from + at;
      const bool may_cut =
          ends_in_no_space(text.substr(0, place)) &&
          (options_.tokenizer == nullptr || options_.tokenizer->may_cut(text, place));
      if (may_cut) return place;
    }
  }
  return 0;
}

void TextReader::count_inline_separators(std::string_view piece, int64_t line) {
  for (size_t at = piece.find(kDocumentSeparator); at != std::string_view::npos;
       at = piece.find(kDocumentSeparator, at + kDocumentSeparator.size())) {
    if (num_inline_separators_++ > 0) continue;
    first_inline_line_ = line;
    if (!is_jsonl_) first_inline_line_ += std::count(piece.begin(), piece.begin() + at, '\n');
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

// Takes the next `length` bytes, which stay in the buffer.
void TextReader::take_repaired(size_t length, std::string& out) {
  utf8_.repair(std::string_view(buffer_).substr(begin_, length), name_,
               buffer_at_ + static_cast<int64_t>(begin_), out);
}

TextFiles::TextFiles(std::vector<fs::path> files, TextOptions options)
    : options_(std::move(options)) {
  if (files.empty()) fail<DataError>("no text files were given");
  options_.may_hold_nothing = files.size() > 1;
  std::vector<std::string> errors;
  for (fs::path& file : files) {
    try {
      check_form(file);
      if (files.size() > 1 && fs::is_regular_file(file) && fs::is_empty(file)) {
        log_warning("{}: file is empty; it is passed over", file.string());
        continue;
      }
      total_bytes_ += checked_file_size(file);
      // Only the content tells whether this is text.
      if (text_suffix(file) == ".json" && fs::is_regular_file(file)) TextReader(file, options_);
      files_.push_back(std::move(file));
    } catch (const DataError& error) {
      errors.emplace_back(error.what());
    }
  }
  if (errors.empty() && files_.empty()) fail<DataError>("all {} files are empty", files.size());
  if (errors.size() == 1) throw DataError(errors.front());
  if (!errors.empty()) {
    fail<DataError>("{} files cannot be used:\n  {}", errors.size(), fmt::join(errors, "\n  "));
  }
}

bool TextFiles::next(std::string& piece, bool& end_of_document) {
  for (;;) {
    if (reader_ == nullptr) {
      if (sources_.size() == files_.size()) {
        if (!gave_text_) fail<DataError>("none of the {} files holds text", files_.size());
        return false;
      }
      open_next();
    }
    if (reader_->next(piece, end_of_document)) return gave_text_ = true;
    const fs::path& file = files_[sources_.size()];
    if (!reader_->gave_text()) {
      log_warning("{}: file holds no text; it is passed over", file.string());
    }
    if (num_inline_separators_ == 0 && reader_->num_inline_separators() > 0) {
      first_inline_ = fmt::format("{}:{}", file.string(), reader_->first_inline_line());
    }
    num_inline_separators_ += reader_->num_inline_separators();
    finished_bytes_ += reader_->file_bytes_read();
    finished_utf8_.add(reader_->utf8());
    finished_utf8_.check();
    sources_.push_back({file.string(), reader_->file_bytes_read(), reader_->file_hash()});
    reader_.reset();
  }
}

void TextFiles::open_next() {
  const fs::path& file = files_[sources_.size()];
  reader_ = std::make_unique<TextReader>(file, options_);
  if (!reader_->taken_for().empty()) {
    log_info("{}: taken for {}, as its content shows", file.string(), reader_->taken_for());
  }
  if (reader_->looks_like_other_json()) {
    log_warning(
        "{}: taken for plain text, braces and all: its first line is a JSON object without a field "
        "'{}' (hint: data.text_field or --text-field names another)",
        file.string(), options_.text_field);
  }
}

void TextFiles::warn() const {
  if (const int64_t count = num_invalid_sequences(); count > 0) {
    log_warning("{} invalid UTF-8 sequences were replaced by U+FFFD, the first at {}", count,
                finished_utf8_.first_place());
  }
  if (num_inline_separators_ == 0) return;
  log_warning(
      "'{}' stands {} times inside of a document's text, first in {}, and is ordinary text there; "
      "documents are separated by it only where it is a line of its own",
      kDocumentSeparator, num_inline_separators_, first_inline_);
}

int64_t TextFiles::bytes_read() const {
  return finished_bytes_ + (reader_ != nullptr ? reader_->file_bytes_read() : 0);
}

int64_t TextFiles::num_invalid_sequences() const {
  return finished_utf8_.num_invalid() + (reader_ != nullptr ? reader_->num_invalid_sequences() : 0);
}

}  // namespace apollo
