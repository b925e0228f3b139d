#include "text/bpe_vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "text/byte_level.h"

namespace apollo {

void fill_roles(BpeVocabulary& vocabulary) {
  TokenRoles& roles = vocabulary.roles;
  if (roles.eos || roles.sep) return;
  const auto& tokens = vocabulary.tokens;
  auto& added = vocabulary.added;
  auto end = std::find_if(added.begin(), added.end(),
                          [](const AddedToken& token) { return token.text == kEndOfText; });
  if (end == added.end()) {
    const auto known = std::find(tokens.begin(), tokens.end(), kEndOfText);
    if (known == tokens.end()) return;
    AddedToken token;
    token.id = static_cast<TokenId>(known - tokens.begin());
    token.text = kEndOfText;
    token.special = true;
    end = added.insert(added.end(), std::move(token));
  }
  roles.eos = end->id;
  if (!roles.bos) roles.bos = end->id;
  if (!roles.unk) roles.unk = end->id;
}

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
  fill_roles(vocabulary);
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
  // Without a normaliser, "normalized" only decides which tokens are looked for first.
  const bool is_mixed = std::any_of(added.begin(), added.end(), [&](const AddedToken& token) {
    return token.normalized != added.front().normalized;
  });
  const bool is_looked_for_apart = is_mixed || vocabulary.nfc;
  for (const AddedToken& token : added) {
    put(fmt::format("added {} {:d}{:d}{:d}{:d}{:d}", token.id, token.special, token.lstrip,
                    token.rstrip, token.single_word, is_looked_for_apart && token.normalized));
    put(token.text);
  }
  put(fmt::format("{} {:d}{:d}{:d}", vocabulary.unknown.value_or(-1), vocabulary.fuse_unknown,
                  vocabulary.ignore_merges, vocabulary.add_prefix_space));
  if (vocabulary.nfc) put("nfc");
  if (vocabulary.pre_tokenizer != PreTokenizer::kGpt2)
    put(pre_token_pattern(vocabulary.pre_tokenizer));
  // Datasets hold it after every document; <|endoftext|> is what it is without a word.
  const std::optional<TokenId> end =
      vocabulary.roles.eos ? vocabulary.roles.eos : vocabulary.roles.sep;
  const bool is_usual = std::any_of(added.begin(), added.end(), [&](const AddedToken& token) {
    return token.id == end && token.text == kEndOfText;
  });
  if (end && !is_usual) put(fmt::format("end of text {}", *end));
  return hash.hex();
}

}  // namespace apollo
