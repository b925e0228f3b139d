#include "text/wordpiece.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <utility>

#include "base/error.h"
#include "text/tokenizer_json.h"
#include "text/utf8.h"

namespace apollo {
namespace {

// Tokens that are looked for in normalised text are themselves normalised, and decoded so.
std::string text_of(const AddedToken& token, const BertNormalizerOptions& options) {
  if (!token.normalized) return token.text;
  std::string text;
  normalize_bert(token.text, options, text);
  return text;
}

int64_t num_chars(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

// What the WordPiece decoder of `tokenizers` calls clean-up, token by token.
void clean_up(std::string& token) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kRules = {{
      {" .", "."},
      {" ?", "?"},
      {" !", "!"},
      {" ,", ","},
      {" ' ", "'"},
      {" n't", "n't"},
      {" 'm", "'m"},
      {" do not", " don't"},
      {" 's", "'s"},
      {" 've", "'ve"},
      {" 're", "'re"},
  }};
  for (const auto& [from, to] : kRules)
    replace_all(token, from, to);
}

// What "longest_first" of `tokenizers` leaves of two texts: the shorter one keeps up to half of the
// room, the longer one (the second, of equally long ones) has the rest.
std::pair<int64_t, int64_t> truncated_lengths(int64_t a, int64_t b, int64_t room) {
  if (a <= room && b <= room - a) return {a, b};
  const int64_t shorter = std::min({a, b, room / 2});
  return a > b ? std::pair{room - shorter, shorter} : std::pair{shorter, room - shorter};
}

}  // namespace

WordPiece::WordPiece(WordPieceVocabulary vocabulary)
    : vocabulary_(std::move(vocabulary)),
      matcher_(tokens_in_raw_text(vocabulary_.added)),
      normalized_matcher_(vocabulary_.added, [options = vocabulary_.normalizer](
                                                 std::string_view text, std::string& out) {
        normalize_bert(text, options, out);
      }) {
  const std::vector<AddedToken> special = make_special_tokens("WordPiece", vocabulary_.tokens);
  special_ids_ = {special[0].id, special[1].id, special[2].id, special[3].id, special[4].id};
  TokenRoles& roles = vocabulary_.roles;
  roles.pad = special_ids_.pad;
  roles.unk = special_ids_.unknown;
  roles.cls = special_ids_.cls;
  roles.sep = special_ids_.sep;
  roles.mask = special_ids_.mask;

  id_tokens_ = vocabulary_.tokens;
  for (size_t i = 0; i < id_tokens_.size(); ++i) {
    const std::string& token = id_tokens_[i];
    const auto id = static_cast<TokenId>(i);
    longest_token_ = std::max(longest_token_, token.size());
    first_.emplace(token, id);
    if (token.starts_with(kContinuation)) next_.emplace(token.substr(kContinuation.size()), id);
  }
  for (const AddedToken& token : vocabulary_.added) {
    const auto i = static_cast<size_t>(token.id);
    if (i >= id_tokens_.size()) id_tokens_.resize(i + 1);
    id_tokens_[i] = text_of(token, vocabulary_.normalizer);
  }
  is_special_.resize(id_tokens_.size());
  for (const AddedToken& token : vocabulary_.added)
    is_special_[static_cast<size_t>(token.id)] = token.special;
}

void WordPiece::encode(std::string_view text, std::vector<TokenId>& ids, bool parse_special) const {
  std::string repaired;
  CachePool::Lease cache(caches_);
  matcher_.encode(as_valid_utf8(text, repaired), parse_special, ids, [&](std::string_view stretch) {
    if (normalized_matcher_.empty()) {
      encode_stretch(stretch, *cache, ids);
    } else {
      encode_normalized(stretch, parse_special, ids);
    }
  });
}

size_t WordPiece::cut_reach() const {
  return std::max(matcher_.longest(), normalized_matcher_.reach());
}

bool WordPiece::may_cut(std::string_view text, size_t place) const {
  return !matcher_.touches(text, place) && !normalized_matcher_.touches(text, place);
}

void WordPiece::encode_pair(std::string_view a, std::optional<std::string_view> b,
                            std::vector<TokenId>& ids, std::vector<int32_t>& segment_ids) const {
  encode_pair(a, b, std::numeric_limits<int64_t>::max(), ids, segment_ids);
}

void WordPiece::encode_pair(std::string_view a, std::optional<std::string_view> b,
                            int64_t max_length, std::vector<TokenId>& ids,
                            std::vector<int32_t>& segment_ids) const {
  const int64_t room = max_length - (b ? 3 : 2);
  if (room < 0) {
    fail<UsageError>("max_length {} does not hold [CLS] and the [SEP] of {}", max_length,
                     b ? "two texts" : "a text");
  }
  ids.assign(1, special_ids_.cls);
  encode(a, ids, /*parse_special=*/true);
  std::vector<TokenId> ids_b;
  if (b) encode(*b, ids_b, /*parse_special=*/true);
  const auto [length_a, length_b] = truncated_lengths(std::ssize(ids) - 1, std::ssize(ids_b), room);
  ids.resize(static_cast<size_t>(length_a) + 1);
  ids.push_back(special_ids_.sep);
  segment_ids.assign(ids.size(), 0);
  if (!b) return;
  ids.insert(ids.end(), ids_b.begin(), ids_b.begin() + length_b);
  ids.push_back(special_ids_.sep);
  segment_ids.resize(ids.size(), 1);
}

// Chunk by chunk, since nothing that decides about ids crosses their ends, and chunks come again.
void WordPiece::encode_stretch(std::string_view text, WordCache& cache,
                               std::vector<TokenId>& ids) const {
  const char* const end = text.data() + text.size();
  for (std::string_view chunk = next_bert_chunk(text); !chunk.empty();
       chunk = next_bert_chunk(text)) {
    const auto readable = static_cast<size_t>(end - chunk.data());
    cache.append_ids(chunk, readable, ids, [&](std::string_view c) { encode_chunk(c, cache); });
  }
}

// Leaves the ids of `chunk` in cache.symbols.
void WordPiece::encode_chunk(std::string_view chunk, WordCache& cache) const {
  std::string normalized;
  normalize_bert(chunk, vocabulary_.normalizer, normalized);
  cache.symbols.clear();
  encode_words(normalized, cache.symbols);
}

// For vocabularies with added tokens that are looked for in normalised text.
void WordPiece::encode_normalized(std::string_view text, bool parse_special,
                                  std::vector<TokenId>& ids) const {
  std::string normalized;
  normalize_bert(text, vocabulary_.normalizer, normalized);
  normalized_matcher_.encode(normalized, parse_special, ids,
                             [&](std::string_view stretch) { encode_words(stretch, ids); });
}

void WordPiece::encode_words(std::string_view normalized, std::vector<TokenId>& ids) const {
  for (std::string_view word = next_bert_word(normalized); !word.empty();
       word = next_bert_word(normalized)) {
    encode_word(word, ids);
  }
}

void WordPiece::encode_word(std::string_view word, std::vector<TokenId>& ids) const {
  const size_t num_before = ids.size();
  const auto give_up = [&] {
    ids.resize(num_before);
    ids.push_back(special_ids_.unknown);
  };
  if (num_chars(word) > vocabulary_.max_word_chars) return give_up();
  const Lookup* lookup = &first_;
  while (!word.empty()) {
    size_t length = std::min(word.size(), longest_token_);
    while (length > 0) {
      const bool is_char_end = length == word.size() || (word[length] & 0xC0) != 0x80;
      const auto found = is_char_end ? lookup->find(word.substr(0, length)) : lookup->end();
      if (found != lookup->end()) {
        ids.push_back(found->second);
        break;
      }
      --length;
    }
    if (length == 0) return give_up();
    word.remove_prefix(length);
    lookup = &next_;
  }
}

std::string WordPiece::decode(const std::vector<TokenId>& ids, bool skip_special) const {
  std::string text;
  bool is_first = true;
  for (const TokenId id : ids) {
    std::string token = token_of(id);
    if (skip_special && is_special_[static_cast<size_t>(id)]) continue;
    if (is_first && vocabulary_.clean_up_decoded) clean_up(token);
    text += is_first ? token : continuation_text(id);
    is_first = false;
  }
  return text;
}

std::string WordPiece::continuation_text(TokenId id) const {
  std::string token = token_of(id);
  if (token.starts_with(kContinuation)) {
    token.erase(0, kContinuation.size());
  } else {
    token.insert(token.begin(), ' ');
  }
  if (vocabulary_.clean_up_decoded) clean_up(token);
  return token;
}

bool WordPiece::is_token(TokenId id) const {
  return id >= 0 && id < vocab_size() && !id_tokens_[static_cast<size_t>(id)].empty();
}

const std::string& WordPiece::token_of(TokenId id) const {
  if (id < 0 || id >= vocab_size() || id_tokens_[static_cast<size_t>(id)].empty()) {
    fail<DataError>("tokenizer: no token has id '{}' (vocabulary of {})", id, vocab_size());
  }
  return id_tokens_[static_cast<size_t>(id)];
}

void WordPiece::save(const std::filesystem::path& dir) const {
  write_tokenizer_files(vocabulary_, dir);
}

}  // namespace apollo
