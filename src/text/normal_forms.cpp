#include "text/normal_forms.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>

#include "text/utf8.h"

namespace apollo {
namespace {

constexpr size_t kMaxDecomposition = 4;

struct Decomposition {
  char32_t from;
  char32_t to[kMaxDecomposition];  // ends at the first 0
};

struct CombiningRange {
  char32_t first;
  char32_t last;
  uint8_t combining_class;
};

struct Composition {
  char32_t first;
  char32_t second;
  char32_t composed;
};

#include "text/normal_forms.inc"

constexpr size_t kNumCodePoints = 0x110000;

// Syllables of Hangul are in the order of their parts: The Unicode Standard, section 3.12.
constexpr char32_t kSyllables = 0xAC00;
constexpr char32_t kLeads = 0x1100;
constexpr char32_t kVowels = 0x1161;
constexpr char32_t kTails = 0x11A7;  // one before the first: a syllable may have none
constexpr char32_t kNumLeads = 19;
constexpr char32_t kNumVowels = 21;
constexpr char32_t kNumTails = 28;
constexpr char32_t kNumSyllables = kNumLeads * kNumVowels * kNumTails;

// One entry a code point: 3.3 MB, of which a text touches a few pages.
class FormTable {
 public:
  FormTable()
      : rows_(std::make_unique<uint16_t[]>(kNumCodePoints)),
        classes_(std::make_unique<uint8_t[]>(kNumCodePoints)) {
    for (size_t i = 0; i < std::size(kDecompositions); ++i)
      rows_[kDecompositions[i].from] = static_cast<uint16_t>(i + 1);
    for (const CombiningRange& range : kCombiningRanges) {
      std::fill(classes_.get() + range.first, classes_.get() + range.last + 1,
                range.combining_class);
    }
  }
  // Null: the character stands for itself.
  const Decomposition* decomposition(char32_t c) const {
    return rows_[c] == 0 ? nullptr : &kDecompositions[rows_[c] - 1];
  }
  uint8_t combining_class(char32_t c) const { return classes_[c]; }

 private:
  std::unique_ptr<uint16_t[]> rows_;  // from 1; 0: none
  std::unique_ptr<uint8_t[]> classes_;
};

const FormTable& form_table() {
  static const FormTable table;
  return table;
}

// Takes characters that are taken apart, and puts those that combine into canonical order.
class CanonicalOrder {
 public:
  explicit CanonicalOrder(const FormTable& table) : table_(table) {}

  void add(char32_t c) {
    if (table_.combining_class(c) == 0) {
      sort_marks();
      begin_ = text_.size() + 1;
    }
    text_ += c;
  }
  std::u32string finish() {
    sort_marks();
    return std::move(text_);
  }

 private:
  void sort_marks() {
    if (text_.size() < begin_ + 2) return;
    std::stable_sort(text_.begin() + static_cast<std::ptrdiff_t>(begin_), text_.end(),
                     [this](char32_t a, char32_t b) {
                       return table_.combining_class(a) < table_.combining_class(b);
                     });
  }

  const FormTable& table_;
  std::u32string text_;
  size_t begin_ = 0;  // of the marks at the end
};

std::u32string decompose(std::string_view text) {
  const FormTable& table = form_table();
  CanonicalOrder out(table);
  while (!text.empty()) {
    const Utf8Sequence next = next_utf8(text);
    text.remove_prefix(static_cast<size_t>(next.length));
    const char32_t c = next.code_point;
    if (c - kSyllables < kNumSyllables) {
      const char32_t index = c - kSyllables;
      out.add(kLeads + index / (kNumVowels * kNumTails));
      out.add(kVowels + index % (kNumVowels * kNumTails) / kNumTails);
      if (index % kNumTails != 0) out.add(kTails + index % kNumTails);
    } else if (const Decomposition* parts = table.decomposition(c)) {
      for (const char32_t part : parts->to) {
        if (part != 0) out.add(part);
      }
    } else {
      out.add(c);
    }
  }
  return out.finish();
}

// The character that the two make, or 0.
char32_t composed(char32_t first, char32_t second) {
  if (first - kLeads < kNumLeads && second - kVowels < kNumVowels) {
    return kSyllables + ((first - kLeads) * kNumVowels + (second - kVowels)) * kNumTails;
  }
  const bool lacks_tail =
      first - kSyllables < kNumSyllables && (first - kSyllables) % kNumTails == 0;
  if (lacks_tail && second > kTails && second < kTails + kNumTails) {
    return first + (second - kTails);
  }
  const auto found =
      std::lower_bound(std::begin(kCompositions), std::end(kCompositions), std::pair(first, second),
                       [](const Composition& row, const std::pair<char32_t, char32_t>& pair) {
                         return std::pair(row.first, row.second) < pair;
                       });
  const bool is_it =
      found != std::end(kCompositions) && found->first == first && found->second == second;
  return is_it ? found->composed : 0;
}

// In place. A character meets the last one of class 0 where nothing between them is of class 0 or
// as high as its own.
void compose(std::u32string& text) {
  const FormTable& table = form_table();
  size_t end = 0;
  size_t starter = text.size();  // none yet
  uint8_t last_class = 0;
  for (const char32_t c : text) {
    const uint8_t own = table.combining_class(c);
    const bool is_next = starter < end && (starter + 1 == end || (last_class < own));
    const char32_t both = is_next ? composed(text[starter], c) : 0;
    if (both != 0) {
      text[starter] = both;
      continue;
    }
    if (own == 0) starter = end;
    last_class = own;
    text[end++] = c;
  }
  text.resize(end);
}

// Below U+0300 every character is in normal form, and none joins one before it.
bool is_below_marks(std::string_view text) {
  constexpr unsigned char kLeadOfMarks = 0xCC;
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) >= kLeadOfMarks; });
}

std::string to_utf8(const std::u32string& text) {
  std::string out;
  out.reserve(text.size());
  for (const char32_t c : text)
    append_utf8(c, out);
  return out;
}

}  // namespace

std::string to_nfd(std::string_view text) {
  return to_utf8(decompose(text));
}

std::string to_nfc(std::string_view text) {
  std::u32string decomposed = decompose(text);
  compose(decomposed);
  return to_utf8(decomposed);
}

std::string_view as_nfc(std::string_view text, std::string& storage) {
  if (is_below_marks(text)) return text;
  storage = to_nfc(text);
  return storage;
}

}  // namespace apollo
