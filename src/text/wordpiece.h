// WordPiece as in BERT (Devlin et al. 2019): converts text to the same ids as the `tokenizers`
// package with the same vocabulary. A word becomes the longest token with which it starts, then the
// longest "##" token that continues it, and so on. If at some point there is none, the whole word
// is [UNK].
//
// encode() gives only the tokens of the text, without [CLS] and [SEP], because training data are
// packed and masked batches place the two themselves. encode_pair() gives what a fine-tuned model
// reads.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.h"
#include "text/tokenizer.h"
#include "text/word_cache.h"
#include "text/wordpiece_vocabulary.h"

namespace apollo {

class WordPiece final : public Tokenizer {
 public:
  struct SpecialIds {
    TokenId pad = 0;
    TokenId unknown = 0;
    TokenId cls = 0;
    TokenId sep = 0;
    TokenId mask = 0;
  };

  // Throws DataError if one of the five special tokens is not in the vocabulary.
  explicit WordPiece(WordPieceVocabulary vocabulary);

  void encode(std::string_view text, std::vector<TokenId>& ids, bool parse_special) const override;

  bool may_cut(std::string_view text, size_t place) const override;
  size_t cut_reach() const override;

  // Encodes [CLS] a [SEP] with segment 0 and, if there is a `b`, b [SEP] with segment 1. Replaces
  // the contents of `ids` and `segment_ids`, which get equal lengths. Special tokens in the texts
  // become ids.
  void encode_pair(std::string_view a, std::optional<std::string_view> b, std::vector<TokenId>& ids,
                   std::vector<int32_t>& segment_ids) const;

  // The same with at most `max_length` ids, cut as in `transformers` with truncation=True: the
  // longer of two texts loses tokens from its end until both are equally long, then both lose
  // tokens; [CLS] and [SEP] stay. Throws UsageError if `max_length` is too small for these.
  void encode_pair(std::string_view a, std::optional<std::string_view> b, int64_t max_length,
                   std::vector<TokenId>& ids, std::vector<int32_t>& segment_ids) const;

  std::string decode(const std::vector<TokenId>& ids, bool skip_special) const override;

  // Returns the token as spelled in the vocabulary, including "##".
  std::string token_text(TokenId id) const override { return token_of(id); }

  std::string continuation_text(TokenId id) const override;

  int64_t vocab_size() const override { return static_cast<int64_t>(id_tokens_.size()); }
  bool is_token(TokenId id) const override;
  bool is_special(TokenId id) const override { return is_special_[static_cast<size_t>(id)]; }
  // A token that continues a word begins with "##".
  bool continues_word(TokenId, TokenId right) const override {
    return token_of(right).starts_with(kContinuation);
  }
  const TokenRoles& roles() const override { return vocabulary_.roles; }
  // Returns [SEP], on which masked batches rely, whatever else the files name.
  std::optional<TokenId> end_of_text() const override { return special_ids_.sep; }
  std::string hash() const override { return hash_vocabulary(vocabulary_); }
  // Writes vocab.txt, tokenizer.json and tokenizer_config.json.
  void save(const std::filesystem::path& dir) const override;

  const SpecialIds& special_ids() const { return special_ids_; }
  const WordPieceVocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using Lookup = std::unordered_map<std::string, TokenId, StringHash, std::equal_to<>>;

  void encode_stretch(std::string_view text, WordCache& cache, std::vector<TokenId>& ids) const;
  void encode_chunk(std::string_view chunk, WordCache& cache) const;
  void encode_normalized(std::string_view text, bool parse_special,
                         std::vector<TokenId>& ids) const;
  void encode_words(std::string_view normalized, std::vector<TokenId>& ids) const;
  void encode_word(std::string_view word, std::vector<TokenId>& ids) const;
  const std::string& token_of(TokenId id) const;

  WordPieceVocabulary vocabulary_;
  SpecialIds special_ids_;
  Lookup first_;  // tokens that start a word
  Lookup next_;   // tokens that continue one, without "##"
  size_t longest_token_ = 0;
  AddedTokenMatcher matcher_;  // for the text as it is
  NormalizedTokenMatcher normalized_matcher_;
  std::vector<std::string> id_tokens_;  // "" if no token has the id
  std::vector<bool> is_special_;
  mutable CachePool caches_;
};

}  // namespace apollo
