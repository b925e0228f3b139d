#include "text/bpe_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "text/byte_level.h"

namespace apollo {

BpeVocabulary make_bytes_vocabulary() {
  BpeVocabulary vocabulary;
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    vocabulary.tokens.push_back(bytes_to_chars({&c, 1}));
  }
  AddedToken end;
  end.id = 256;
  end.text = kEndOfText;
  end.special = true;
  vocabulary.tokens.push_back(end.text);
  vocabulary.added.push_back(std::move(end));
  return vocabulary;
}

std::string hash_vocabulary(const BpeVocabulary& vocabulary) {
  StreamHash hash;
  const auto put = [&](std::string_view text) {
    hash.update(fmt::format("{}:", text.size()));
    hash.update(text);
  };
  put("byte-level bpe");
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.tokens[id].empty()) continue;
    put(fmt::format("token {}", id));
    put(vocabulary.tokens[id]);
  }
  for (const Merge& merge : vocabulary.merges)
    put(fmt::format("{} {}", merge.left, merge.right));

  std::vector<AddedToken> added = vocabulary.added;
  std::sort(added.begin(), added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  // Whether a token is "normalized" only decides which tokens are looked for first.
  const bool is_mixed = std::any_of(added.begin(), added.end(), [&](const AddedToken& token) {
    return token.normalized != added.front().normalized;
  });
  for (const AddedToken& token : added) {
    put(fmt::format("added {} {:d}{:d}{:d}{:d}{:d}", token.id, token.special, token.lstrip,
                    token.rstrip, token.single_word, is_mixed && token.normalized));
    put(token.text);
  }
  put(fmt::format("{} {:d}{:d}{:d}", vocabulary.unknown.value_or(-1), vocabulary.fuse_unknown,
                  vocabulary.ignore_merges, vocabulary.add_prefix_space));
  return hash.hex();
}

}  // namespace apollo
