#include "text/nfc.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uniset.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "base/error.h"

namespace apollo {
namespace {

const icu::Normalizer2& nfc_of_unicode_9() {
  struct Nfc {
    Nfc()
        : known(u"[:age=9.0:]", status),
          filtered(*icu::Normalizer2::getNFCInstance(status), known) {
      if (U_FAILURE(status)) fail<Error>("ICU has no data for NFC: {}", u_errorName(status));
      known.freeze();
    }
    UErrorCode status = U_ZERO_ERROR;
    icu::UnicodeSet known;
    icu::FilteredNormalizer2 filtered;
  };
  static const Nfc nfc;
  return nfc.filtered;
}

// Below U+0300 every character is in normal form, and none joins one before it.
bool is_below_marks(std::string_view text) {
  constexpr unsigned char kLeadOfMarks = 0xCC;
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) >= kLeadOfMarks; });
}

}  // namespace

std::string_view as_nfc(std::string_view text, std::string& storage) {
  if (is_below_marks(text)) return text;
  if (text.size() > std::numeric_limits<int32_t>::max()) {
    fail<DataError>("a text of {} bytes in one piece cannot be normalised (at most 2 GiB can)",
                    text.size());
  }
  const icu::StringPiece source(text.data(), static_cast<int32_t>(text.size()));
  UErrorCode status = U_ZERO_ERROR;
  const icu::Normalizer2& nfc = nfc_of_unicode_9();
  if (nfc.isNormalizedUTF8(source, status)) return text;
  storage.clear();
  icu::StringByteSink<std::string> sink(&storage);
  nfc.normalizeUTF8(0, source, sink, nullptr, status);
  if (U_FAILURE(status)) fail<Error>("ICU cannot normalise: {}", u_errorName(status));
  return storage;
}

}  // namespace apollo
