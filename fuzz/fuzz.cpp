#include "fuzz.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <random>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace apollo {
namespace {

class Mutation {
 public:
  Mutation(std::string text, const std::vector<std::string>& words, std::mt19937_64& random)
      : text_(std::move(text)), words_(words), random_(random) {}

  void change() {
    switch (below(9)) {
      case 0:
        return flip_bit();
      case 1:
        return set_byte();
      case 2:
        return cut();
      case 3:
        return repeat();
      case 4:
        return insert(std::string(1 + below(8), static_cast<char>(below(256))));
      case 5:
        return replace_number();
      case 6:
        text_.resize(below(text_.size() + 1));
        return;
      default:
        return words_.empty() ? set_byte() : insert(words_[below(words_.size())]);
    }
  }

  std::string take() { return std::move(text_); }

 private:
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  void flip_bit() {
    if (text_.empty()) return;
    char& byte = text_[below(text_.size())];
    byte = static_cast<char>(byte ^ (1 << below(8)));
  }

  void set_byte() {
    constexpr std::string_view kBytes = "\0\xFF\x7F\x80 \n\r\t\"'\\{}[]:,=#.-+0129eE";
    if (text_.empty()) return;
    text_[below(text_.size())] =
        below(2) == 0 ? static_cast<char>(below(256)) : kBytes[below(kBytes.size())];
  }

  void cut() {
    const size_t begin = below(text_.size() + 1);
    text_.erase(begin, below(below(4) == 0 ? text_.size() : 16));
  }

  void repeat() {
    const size_t begin = below(text_.size() + 1);
    const std::string part = text_.substr(begin, below(64));
    const size_t times = below(16) == 0 ? 2000 : 1 + below(3);
    std::string all;
    for (size_t i = 0; i < times; ++i)
      all += part;
    text_.insert(begin, all);
  }

  void insert(const std::string& part) { text_.insert(below(text_.size() + 1), part); }

  void replace_number() {
    constexpr std::array<const char*, 12> kNumbers = {"0",
                                                      "-1",
                                                      "1",
                                                      "255",
                                                      "65536",
                                                      "2147483648",
                                                      "4294967296",
                                                      "9223372036854775807",
                                                      "18446744073709551616",
                                                      "-9223372036854775809",
                                                      "1e999",
                                                      "1.5"};
    constexpr std::string_view kDigits = "0123456789";
    const size_t begin = text_.find_first_of(kDigits, below(text_.size() + 1));
    if (begin == std::string::npos) return;
    const size_t end = std::min(text_.find_first_not_of(kDigits, begin), text_.size());
    text_.replace(begin, end - begin, kNumbers[below(kNumbers.size())]);
  }

  std::string text_;
  const std::vector<std::string>& words_;
  std::mt19937_64& random_;
};

}  // namespace

bool fuzz_once(const FuzzTarget& target, const std::filesystem::path& dir,
               const std::string& bytes) {
  // Written anew, since a reader may keep the old one open; no sync, thousands of times.
  std::filesystem::remove(dir / target.file);
  std::ofstream(dir / target.file, std::ios::binary) << bytes;
  try {
    target.read(dir);
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::string mutate(const std::string& input, const std::vector<std::string>& corpus,
                   const std::vector<std::string>& words, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string start = input;
  if (random() % 8 == 0) {
    const std::string& other = corpus[random() % corpus.size()];
    start = input.substr(0, random() % (input.size() + 1)) +
            other.substr(random() % (other.size() + 1));
  }
  Mutation mutation(std::move(start), words, random);
  for (uint64_t n = 1 + random() % 4; n > 0; --n)
    mutation.change();
  return mutation.take();
}

}  // namespace apollo
