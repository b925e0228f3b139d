#include "text/byte_level_bpe.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/error.h"
#include "text/byte_level.h"
#include "text/normal_forms.h"
#include "text/tokenizer_json.h"
#include "text/utf8.h"

namespace apollo {
namespace {

constexpr TokenId kNoToken = TextSpan::kNoToken;

BpeVocabulary with_roles(BpeVocabulary vocabulary) {
  fill_roles(vocabulary);
  return vocabulary;
}

// As the ByteLevel decoder of `tokenizers` reads a token, added ones too: through the table of
// bytes, and as it stands where it holds other characters.
std::string decoded_bytes(const std::string& token) {
  return chars_to_bytes(token).value_or(token);
}

void append_nfc(std::string_view text, std::string& out) {
  std::string storage;
  out += as_nfc(text, storage);
}

// A letter, a digit or a part of a character beyond ASCII.
bool is_word_byte(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0;
}

}  // namespace

ByteLevelBpe::ByteLevelBpe(BpeVocabulary vocabulary)
    : vocabulary_(with_roles(std::move(vocabulary))),
      merges_(vocabulary_.merges),
      matcher_(vocabulary_.nfc ? tokens_in_raw_text(vocabulary_.added) : vocabulary_.added),
      normalized_matcher_(vocabulary_.nfc ? vocabulary_.added : std::vector<AddedToken>(),
                          append_nfc) {
  byte_ids_.fill(vocabulary_.unknown.value_or(kNoToken));
  size_t num_ids = vocabulary_.tokens.size();
  for (const AddedToken& token : vocabulary_.added) {
    num_ids = std::max(num_ids, static_cast<size_t>(token.id) + 1);
  }
  id_bytes_.resize(num_ids);
  is_special_.resize(num_ids);
  for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
    const auto id = static_cast<TokenId>(i);
    const auto bytes = chars_to_bytes(vocabulary_.tokens[i]);
    if (bytes && bytes->size() == 1) byte_ids_[static_cast<unsigned char>((*bytes)[0])] = id;
    if (bytes && vocabulary_.ignore_merges) whole_words_.emplace(*bytes, id);
    id_bytes_[i] = bytes.value_or(vocabulary_.tokens[i]);
  }
  for (const AddedToken& token : vocabulary_.added) {
    const auto i = static_cast<size_t>(token.id);
    std::string storage;
    const bool is_normal = vocabulary_.nfc && token.normalized;
    id_bytes_[i] = decoded_bytes(is_normal ? std::string(as_nfc(token.text, storage)) : token.text);
    is_special_[i] = token.special;
  }
}

void ByteLevelBpe::encode(std::string_view text, std::vector<TokenId>& ids,
                          bool parse_special) const {
  std::string repaired;
  encode_valid(as_valid_utf8(text, repaired), parse_special, /*begins_document=*/true, ids);
}

std::optional<TokenId> ByteLevelBpe::begin_of_text() const {
  const TokensAround& around = vocabulary_.around;
  if (around.after || around.before.empty()) return std::nullopt;  // of a masked model
  return around.before.front();
}

void ByteLevelBpe::encode_piece(std::string_view text, bool begins_document,
                                std::vector<TokenId>& ids) const {
  std::string repaired;
  encode_valid(as_valid_utf8(text, repaired), /*parse_special=*/false, begins_document, ids);
}

// A piece that goes on in a document goes on in a stretch of ordinary text too, since no added
// token ends where documents are cut.
void ByteLevelBpe::encode_valid(std::string_view text, bool parse_special, bool begins_document,
                                std::vector<TokenId>& ids) const {
  CachePool::Lease cache(caches_);
  matcher_.encode(text, parse_special, ids, [&](std::string_view stretch) {
    const bool goes_on = !begins_document && stretch.data() == text.data();
    if (vocabulary_.nfc) {
      encode_normalized(stretch, parse_special, goes_on, *cache, ids);
    } else {
      encode_stretch(stretch, goes_on, *cache, ids);
    }
  });
}

void ByteLevelBpe::encode_normalized(std::string_view stretch, bool parse_special, bool goes_on,
                                     WordCache& cache, std::vector<TokenId>& ids) const {
  std::string storage;
  const std::string_view normal = as_nfc(stretch, storage);
  if (normalized_matcher_.empty()) return encode_stretch(normal, goes_on, cache, ids);
  normalized_matcher_.encode(normal, parse_special, ids, [&](std::string_view part) {
    encode_stretch(part, goes_on && part.data() == normal.data(), cache, ids);
  });
}

// `goes_on`: the text goes on in a document, and so has its prefix space already.
void ByteLevelBpe::encode_stretch(std::string_view text, bool goes_on, WordCache& cache,
                                  std::vector<TokenId>& ids) const {
  std::string prefixed;
  if (vocabulary_.add_prefix_space && !goes_on && !text.starts_with(' ')) {
    prefixed = " ";
    prefixed += text;
    text = prefixed;
  }
  const bool is_bytewise = merges_.empty() && whole_words_.empty() && !vocabulary_.unknown;
  if (is_bytewise) {
    encode_bytes(text, ids);
  } else {
    encode_words(text, cache, ids);
  }
}

void ByteLevelBpe::encode_bytes(std::string_view text, std::vector<TokenId>& ids) const {
  for (const char c : text) {
    const TokenId id = byte_ids_[static_cast<unsigned char>(c)];
    if (id != kNoToken) ids.push_back(id);
  }
}

void ByteLevelBpe::encode_words(std::string_view text, WordCache& cache,
                                std::vector<TokenId>& ids) const {
  while (!text.empty()) {
    const std::string_view word = text.substr(0, pre_token_length(vocabulary_.pre_tokenizer, text));
    cache.append_ids(word, text.size(), ids, [&](std::string_view w) { split_word(w, cache); });
    text.remove_prefix(word.size());
  }
}

// Leaves the ids of `word` in cache.symbols.
void ByteLevelBpe::split_word(std::string_view word, WordCache& cache) const {
  std::vector<TokenId>& symbols = cache.symbols;
  symbols.clear();
  if (!whole_words_.empty()) {
    const auto whole = whole_words_.find(word);
    if (whole != whole_words_.end()) {
      symbols.push_back(whole->second);
      return;
    }
  }
  for (const char c : word) {
    const TokenId id = byte_ids_[static_cast<unsigned char>(c)];
    if (id == kNoToken) continue;
    const bool is_fused = vocabulary_.fuse_unknown && id == vocabulary_.unknown &&
                          !symbols.empty() && symbols.back() == id;
    if (!is_fused) symbols.push_back(id);
  }
  merges_.apply(symbols, cache.scratch);
}

size_t ByteLevelBpe::cut_reach() const {
  return std::max(matcher_.longest(), normalized_matcher_.reach());
}

bool ByteLevelBpe::may_cut(std::string_view text, size_t place) const {
  return may_cut_pre_tokens(vocabulary_.pre_tokenizer, text, place) &&
         !matcher_.touches(text, place) && !normalized_matcher_.touches(text, place);
}

std::string ByteLevelBpe::decode(const std::vector<TokenId>& ids, bool skip_special) const {
  std::string bytes;
  for (const TokenId id : ids) {
    const std::string& token = bytes_of(id);
    if (skip_special && is_special_[static_cast<size_t>(id)]) continue;
    bytes += token;
  }
  std::string repaired;
  return std::string(as_valid_utf8(bytes, repaired));
}

const std::string& ByteLevelBpe::bytes_of(TokenId id) const {
  if (id < 0 || id >= vocab_size() || id_bytes_[static_cast<size_t>(id)].empty()) {
    fail<DataError>("tokenizer: no token has id '{}' (vocabulary of {})", id, vocab_size());
  }
  return id_bytes_[static_cast<size_t>(id)];
}

bool ByteLevelBpe::is_token(TokenId id) const {
  return id >= 0 && id < vocab_size() && !id_bytes_[static_cast<size_t>(id)].empty();
}

// As the patterns do for the usual characters: words and numbers hold neither white space nor
// punctuation, and begin behind them.
bool ByteLevelBpe::continues_word(TokenId left, TokenId right) const {
  return is_word_byte(bytes_of(left).back()) && is_word_byte(bytes_of(right).front());
}

std::string ByteLevelBpe::token_text(TokenId id) const {
  return bytes_of(id);
}

void ByteLevelBpe::save(const std::filesystem::path& dir) const {
  write_tokenizer_files(vocabulary_, dir);
}

}  // namespace apollo
