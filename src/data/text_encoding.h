// Checks whether a text is in UTF-8. A few broken bytes are repaired and counted. A text in another
// encoding is refused, because a model would learn the damage.
//
// The two cases are told apart by the characters beyond ASCII. Read as UTF-8, all of them are
// ill-formed if the text is in Latin-1, Windows-1251 or KOI8, seven in ten or more for GBK, Big5,
// EUC or Shift-JIS, and a few in a hundred in damaged UTF-8. So a text with more than one in ten
// counts as another encoding, unless they are so few (kFewSequences, or one in kBytesPerSequence
// bytes) that it could be ASCII with stray bytes. UTF-16 and UTF-32 are recognised at the start: by
// their mark, or by NULs at every other place.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace apollo {

// How many bytes of the start of a text check_text_start() needs.
inline constexpr size_t kTextStartBytes = 4096;

// Throws DataError if `start`, the first bytes of the file `name`, is UTF-16, UTF-32 or mostly
// NULs.
void check_text_start(const std::string& name, std::string_view start);

// Repairs a text piece by piece and counts repairs.
class Utf8Repair {
 public:
  static constexpr int64_t kFewSequences = 10;
  static constexpr int64_t kBytesPerSequence = 50000;  // English in Latin-1: one in 5000

  // Writes `text`, which starts at byte `offset` (from 0) of the file `name`, to `out`, with each
  // ill-formed sequence replaced by U+FFFD. Throws DataError if most of it is NULs.
  void repair(std::string_view text, const std::string& name, int64_t offset, std::string& out);
  // Adds what `later` counted, so that many small files can be judged together.
  void add(const Utf8Repair& later);
  // Throws DataError if the counts show text in another encoding.
  void check() const;

  int64_t num_bytes() const { return num_bytes_; }
  int64_t num_invalid() const { return num_invalid_; }
  // Returns the place of the first ill-formed sequence: "byte 17 of a.txt".
  std::string first_place() const;

 private:
  int64_t num_bytes_ = 0;
  int64_t num_beyond_ascii_ = 0;  // characters and ill-formed sequences
  int64_t num_invalid_ = 0;
  // The place of the first ill-formed sequence, and its first byte.
  std::string name_;
  int64_t offset_ = 0;
  unsigned char byte_ = 0;
};

}  // namespace apollo
