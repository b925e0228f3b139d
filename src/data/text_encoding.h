// Whether a text is in UTF-8. A few broken bytes are repaired and counted; a text in another
// encoding is refused, since a model would learn its ruins.
//
// The two are told apart by the characters beyond ASCII: read as UTF-8, all of them are ill-formed
// in text in Latin-1, Windows-1251 or KOI8, seven in ten or more in GBK, Big5, EUC or Shift-JIS, a
// few in a hundred in damaged UTF-8. So it is another encoding where more than one in ten is,
// unless they are so few (kFewSequences, or one in kBytesPerSequence bytes) that ASCII with stray
// bytes looks the same. UTF-16 and UTF-32 show themselves at the start: by their mark, or by NULs
// at every other place.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace apollo {

// How much of the start of a text check_text_start() wants to see.
inline constexpr size_t kTextStartBytes = 4096;

// Throws DataError where `start`, the first bytes of the file `name`, is UTF-16, UTF-32 or mostly
// NULs.
void check_text_start(const std::string& name, std::string_view start);

// Repairs a text piece by piece, and keeps count.
class Utf8Repair {
 public:
  static constexpr int64_t kFewSequences = 10;
  static constexpr int64_t kBytesPerSequence = 50000;  // English in Latin-1: one in 5000

  // Writes `text`, which stands at byte `offset` (from 0) of the file `name`, to `out` with each
  // ill-formed sequence replaced by U+FFFD. Throws DataError where most of it are NULs.
  void repair(std::string_view text, const std::string& name, int64_t offset, std::string& out);
  // Counts what `later` counted as well: for one judgement of many small files.
  void add(const Utf8Repair& later);
  // Throws DataError where what was counted is text in another encoding.
  void check() const;

  int64_t num_bytes() const { return num_bytes_; }
  int64_t num_invalid() const { return num_invalid_; }
  // Place of the first ill-formed sequence: "byte 17 of a.txt".
  std::string first_place() const;

 private:
  int64_t num_bytes_ = 0;
  int64_t num_beyond_ascii_ = 0;  // characters, and ill-formed sequences
  int64_t num_invalid_ = 0;
  // Where the first ill-formed sequence is, and its first byte.
  std::string name_;
  int64_t offset_ = 0;
  unsigned char byte_ = 0;
};

}  // namespace apollo
