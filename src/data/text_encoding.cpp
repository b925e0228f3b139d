#include "data/text_encoding.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/utf8.h"

namespace apollo {
namespace {

struct Mark {
  std::string_view bytes;
  std::string_view encoding;
};

// UTF-32LE comes before UTF-16LE, because its mark begins with that of UTF-16LE.
constexpr std::array<Mark, 4> kMarks = {{{{"\xFF\xFE\0\0", 4}, "UTF-32"},
                                         {{"\0\0\xFE\xFF", 4}, "UTF-32"},
                                         {{"\xFF\xFE", 2}, "UTF-16"},
                                         {{"\xFE\xFF", 2}, "UTF-16"}}};

constexpr size_t kFewNuls = 64;

// Returns the encoding that the NULs of `text` indicate, or "". In UTF-16 at least the spaces
// contain a NUL, always on the same side; in UTF-32 two of four bytes are NUL.
std::string_view encoding_by_nuls(std::string_view text) {
  std::array<size_t, 4> nuls = {};
  for (size_t i = 0; i < text.size(); i++)
    nuls[i % 4] += text[i] == '\0' ? 1 : 0;
  const size_t even = nuls[0] + nuls[2];
  const size_t odd = nuls[1] + nuls[3];
  const size_t all = even + odd;
  if (all < 8 || all * 20 < text.size()) return "";
  const size_t most_of_half = text.size() / 2 * 19 / 20;
  const size_t hardly_any = text.size() / 4 / 20;
  if (nuls[2] + nuls[3] >= most_of_half && nuls[0] <= hardly_any) return "UTF-32LE";
  if (nuls[0] + nuls[1] >= most_of_half && nuls[3] <= hardly_any) return "UTF-32BE";
  if (odd * 20 >= all * 19) return "UTF-16LE";
  if (even * 20 >= all * 19) return "UTF-16BE";
  return "";
}

// Refuses text with more NULs than anything else, which has no encoding: an image of a disk, or a
// hole in a file that was never written.
void refuse_nuls(const std::string& name, std::string_view text, int64_t offset) {
  const auto nuls = static_cast<size_t>(std::count(text.begin(), text.end(), '\0'));
  if (nuls < kFewNuls || nuls * 2 <= text.size()) return;
  fail<DataError>(
      "{}: expected text, found {} NUL bytes among {} from byte {} on (hint: binary data, or a "
      "file "
      "that was not written to its end)",
      name, nuls, text.size(), offset + static_cast<int64_t>(text.find('\0')));
}

int64_t count_beyond_ascii(std::string_view valid_text) {
  return std::count_if(valid_text.begin(), valid_text.end(),
                       [](char c) { return static_cast<unsigned char>(c) >= 0xC0; });
}

int64_t first_invalid(std::string_view text) {
  size_t place = 0;
  for (Utf8Sequence next = next_utf8(text); next.valid; next = next_utf8(text.substr(place))) {
    place += static_cast<size_t>(next.length);
  }
  return static_cast<int64_t>(place);
}

}  // namespace

void check_text_start(const std::string& name, std::string_view start) {
  for (const Mark& mark : kMarks) {
    if (!start.starts_with(mark.bytes)) continue;
    fail<DataError>(
        "{}: expected text in UTF-8, found the byte order mark of {} at byte 0 (hint: iconv -f {} "
        "-t UTF-8)",
        name, mark.encoding, mark.encoding);
  }
  start = start.substr(0, kTextStartBytes);
  const std::string_view encoding = encoding_by_nuls(start);
  if (encoding.empty()) return refuse_nuls(name, start, 0);
  fail<DataError>(
      "{}: expected text in UTF-8, found {} NUL bytes from byte {} on, placed as in {} (hint: "
      "iconv -f {} -t UTF-8)",
      name, std::count(start.begin(), start.end(), '\0'), start.find('\0'), encoding, encoding);
}

void Utf8Repair::repair(std::string_view text, const std::string& name, int64_t offset,
                        std::string& out) {
  refuse_nuls(name, text, offset);
  if (is_valid_utf8(text)) {
    out.assign(text);
  } else {
    if (num_invalid_ == 0) {
      const int64_t place = first_invalid(text);
      name_ = name;
      offset_ = offset + place;
      byte_ = static_cast<unsigned char>(text[static_cast<size_t>(place)]);
    }
    num_invalid_ += repair_utf8(text, out);
  }
  num_bytes_ += static_cast<int64_t>(text.size());
  num_beyond_ascii_ += count_beyond_ascii(out);
}

void Utf8Repair::add(const Utf8Repair& later) {
  if (num_invalid_ == 0) {
    name_ = later.name_;
    offset_ = later.offset_;
    byte_ = later.byte_;
  }
  num_bytes_ += later.num_bytes_;
  num_beyond_ascii_ += later.num_beyond_ascii_;
  num_invalid_ += later.num_invalid_;
}

std::string Utf8Repair::first_place() const {
  return fmt::format("byte {} of {}", offset_, name_);
}

void Utf8Repair::check() const {
  const bool are_few =
      num_invalid_ < kFewSequences || num_invalid_ < num_bytes_ / kBytesPerSequence;
  if (are_few || num_invalid_ * 10 <= num_beyond_ascii_) return;
  fail<DataError>(
      "{}: expected text in UTF-8, found byte 0x{:02X} at byte {}: {} of the {} characters beyond "
      "ASCII are not UTF-8 (hint: where it is Latin-1, iconv -f LATIN1 -t UTF-8)",
      name_, byte_, offset_, num_invalid_, num_beyond_ascii_);
}

}  // namespace apollo
