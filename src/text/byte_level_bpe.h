// Byte-level BPE (Radford et al. 2019): converts text to the same ids as the `tokenizers` package
// with the same vocabulary. GPT-2, Llama 3, Qwen and ModernBERT differ in how text is normalised
// and cut (BpeVocabulary).
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe_vocabulary.h"
#include "text/merge_table.h"
#include "text/tokenizer.h"
#include "text/word_cache.h"

namespace apollo {

class ByteLevelBpe final : public Tokenizer {
 public:
  explicit ByteLevelBpe(BpeVocabulary vocabulary);

  void encode(std::string_view text, std::vector<TokenId>& ids, bool parse_special) const override;
  void encode_piece(std::string_view text, bool begins_document,
                    std::vector<TokenId>& ids) const override;
  bool may_cut(std::string_view text, size_t place) const override;
  size_t cut_reach() const override;
  std::string decode(const std::vector<TokenId>& ids, bool skip_special) const override;
  std::string token_text(TokenId id) const override;
  int64_t vocab_size() const override { return static_cast<int64_t>(id_bytes_.size()); }
  bool is_token(TokenId id) const override;
  bool is_special(TokenId id) const override { return is_special_[static_cast<size_t>(id)]; }
  bool continues_word(TokenId left, TokenId right) const override;
  const TokenRoles& roles() const override { return vocabulary_.roles; }
  std::optional<TokenId> begin_of_text() const override;
  std::string hash() const override { return hash_vocabulary(vocabulary_); }
  void save(const std::filesystem::path& dir) const override;

  const BpeVocabulary& vocabulary() const { return vocabulary_; }

 private:
  struct StringHash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  void encode_valid(std::string_view text, bool parse_special, bool begins_document,
                    std::vector<TokenId>& ids) const;
  void encode_normalized(std::string_view stretch, bool parse_special, bool goes_on,
                         WordCache& cache, std::vector<TokenId>& ids) const;
  void encode_stretch(std::string_view text, bool goes_on, WordCache& cache,
                      std::vector<TokenId>& ids) const;
  void encode_words(std::string_view text, WordCache& cache, std::vector<TokenId>& ids) const;
  void encode_bytes(std::string_view text, std::vector<TokenId>& ids) const;
  void split_word(std::string_view word, WordCache& cache) const;
  const std::string& bytes_of(TokenId id) const;

  BpeVocabulary vocabulary_;
  MergeTable merges_;
  AddedTokenMatcher matcher_;                  // for the text as it is
  NormalizedTokenMatcher normalized_matcher_;  // empty without a normaliser
  std::array<TokenId, 256> byte_ids_;          // -1: no token
  std::vector<std::string> id_bytes_;          // "" if no token has the id
  std::vector<bool> is_special_;
  // Words that are tokens; empty unless these words ignore merges.
  std::unordered_map<std::string, TokenId, StringHash, std::equal_to<>> whole_words_;
  mutable CachePool caches_;
};

}  // namespace apollo
