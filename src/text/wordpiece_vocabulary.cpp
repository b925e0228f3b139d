#include "text/wordpiece_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"

namespace apollo {

std::vector<AddedToken> make_special_tokens(const std::string& where,
                                            const std::vector<std::string>& tokens) {
  std::vector<AddedToken> specials;
  std::string missing;
  for (const std::string_view name : kBertSpecialTokens) {
    const auto found = std::find(tokens.begin(), tokens.end(), name);
    if (found == tokens.end()) {
      missing += missing.empty() ? "" : ", ";
      missing += name;
      continue;
    }
    AddedToken token;
    token.id = static_cast<TokenId>(found - tokens.begin());
    token.text = name;
    token.special = true;
    specials.push_back(std::move(token));
  }
  if (!missing.empty()) {
    fail<DataError>(
        "{}: the vocabulary lacks {}; hint: BERT needs [PAD], [UNK], [CLS], [SEP] and "
        "[MASK]",
        where, missing);
  }
  return specials;
}

std::string hash_vocabulary(const WordPieceVocabulary& vocabulary) {
  StreamHash hash;
  const auto put = [&](std::string_view text) {
    hash.update(fmt::format("{}:", text.size()));
    hash.update(text);
  };
  put("wordpiece");
  for (const std::string& token : vocabulary.tokens)
    put(token);
  std::vector<AddedToken> added = vocabulary.added;
  std::sort(added.begin(), added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (const AddedToken& token : added) {
    put(fmt::format("added {} {:d}{:d}{:d}{:d}{:d}", token.id, token.special, token.lstrip,
                    token.rstrip, token.single_word, token.normalized));
    put(token.text);
  }
  const BertNormalizerOptions& normalizer = vocabulary.normalizer;
  put(fmt::format("{:d}{:d}{:d}{:d} {}", normalizer.clean_text, normalizer.handle_chinese_chars,
                  normalizer.strips_accents(), normalizer.lowercase, vocabulary.max_word_chars));
  return hash.hex();
}

}  // namespace apollo
