#include "text/normal_forms.h"

#include <gtest/gtest.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/uniset.h>
#include <unicode/unistr.h>

#include "text/added_tokens.h"
#include "text/random_text.h"
#include "text/utf8.h"

namespace apollo {
namespace {

// ICU's forms, for the characters of Unicode 9.
class IcuForms {
 public:
  IcuForms()
      : known_(u"[:age=9.0:]", status_),
        nfd_(*icu::Normalizer2::getNFDInstance(status_), known_),
        nfc_(*icu::Normalizer2::getNFCInstance(status_), known_) {}

  std::string nfd(const std::string& text) { return normal(nfd_, text); }
  std::string nfc(const std::string& text) { return normal(nfc_, text); }

 private:
  std::string normal(const icu::Normalizer2& form, const std::string& text) {
    std::string out;
    form.normalize(icu::UnicodeString::fromUTF8(text), status_).toUTF8String(out);
    EXPECT_TRUE(U_SUCCESS(status_));
    return out;
  }

  UErrorCode status_ = U_ZERO_ERROR;
  icu::UnicodeSet known_;
  icu::FilteredNormalizer2 nfd_;
  icu::FilteredNormalizer2 nfc_;
};

std::string utf8(std::initializer_list<char32_t> code_points) {
  std::string text;
  for (const char32_t c : code_points)
    append_utf8(c, text);
  return text;
}

bool is_surrogate(char32_t c) {
  return c >= 0xD800 && c < 0xE000;
}

TEST(NormalForms, TakeApartAndPutTogether) {
  EXPECT_EQ(to_nfd("caf\u00e9"), "cafe\u0301");
  EXPECT_EQ(to_nfc("cafe\u0301"), "caf\u00e9");
  EXPECT_EQ(to_nfd("\u1e69"), "s\u0323\u0307");  // s, a dot below, a dot above
  EXPECT_EQ(to_nfc("s\u0307\u0323"), "\u1e69");  // in any order
  EXPECT_EQ(to_nfd("\uac01\uac00"), "\u1100\u1161\u11a8\u1100\u1161");
  EXPECT_EQ(to_nfc("\u1100\u1161\u11a8\u1100\u1161"), "\uac01\uac00");
  EXPECT_EQ(to_nfc("\u212b"), "\u00c5");                           // the unit of length is a letter
  EXPECT_EQ(to_nfc("\u0958"), "\u0915\u093c");                     // never put together
  EXPECT_EQ(to_nfc("\u0301e"), "\u0301e");                         // nothing before it
  EXPECT_EQ(to_nfc("e\u0323\u0323\u0301"), "\u1eb9\u0323\u0301");  // the second dot is in the way
  EXPECT_EQ(to_nfd(""), "");
}

TEST(NormalForms, EqualIcuForEveryCharacter) {
  IcuForms icu;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (is_surrogate(c)) continue;
    // Alone, and where its class and its compositions show.
    for (const std::string& text : {utf8({c}), utf8({'a', 0x345, c, 0x327, 0x301})}) {
      ASSERT_EQ(to_nfd(text), icu.nfd(text)) << std::hex << static_cast<uint32_t>(c);
      ASSERT_EQ(to_nfc(text), icu.nfc(text)) << std::hex << static_cast<uint32_t>(c);
    }
  }
}

TEST(NormalForms, EqualIcuOnRandomText) {
  IcuForms icu;
  RandomText random(5);
  for (int i = 0; i < 20000; ++i) {
    std::string text = random.text();
    // Marks in heaps, some of which compose.
    for (int64_t n = random.below(8); n > 0; --n)
      append_utf8(0x300 + static_cast<char32_t>(random.below(0x70)), text);
    ASSERT_EQ(to_nfd(text), icu.nfd(text)) << text;
    ASSERT_EQ(to_nfc(text), icu.nfc(text)) << text;
    ASSERT_EQ(to_nfc(to_nfd(text)), to_nfc(text)) << text;
  }
}

TEST(NormalForms, TakeLongHeapsOfMarksInTheirStride) {
  std::string heap = "a";
  for (int i = 0; i < 200000; ++i)
    heap += i % 2 == 0 ? "\u0301" : "\u0323";
  const std::string sorted = to_nfd(heap);
  EXPECT_EQ(sorted.substr(0, 3), "a\u0323");
  EXPECT_EQ(sorted.substr(sorted.size() - 2), "\u0301");
}

// \w by its definition, of the characters that ICU knows.
TEST(WordCharacters, EqualIcuWhereItKnowsTheCharacter) {
  AddedToken token;
  token.text = "x";
  token.id = 7;
  token.single_word = true;
  const AddedTokenMatcher matcher({token});
  constexpr uint32_t kMask = U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK;
  std::vector<TextSpan> spans;
  for (char32_t c = 0; c < 0x110000; ++c) {
    const auto code_point = static_cast<UChar32>(c);
    const uint32_t category = U_GET_GC_MASK(code_point);
    if (is_surrogate(c) || (category & U_GC_CN_MASK) != 0) continue;
    const bool is_word = u_isUAlphabetic(code_point) || (category & kMask) != 0 ||
                         u_hasBinaryProperty(code_point, UCHAR_JOIN_CONTROL);
    const std::string text = "x" + utf8({c});
    matcher.split(text, /*parse_special=*/true, spans);
    const bool found = spans.front().id == 7;
    ASSERT_EQ(found, !is_word) << std::hex << static_cast<uint32_t>(c);
  }
}

}  // namespace
}  // namespace apollo
