// Everything that defines one byte-level BPE tokenizer, as plain data: what files hold and training
// makes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/merge_table.h"
#include "text/pre_tokenizer.h"
#include "text/token_roles.h"
#include "text/tokenizer.h"

namespace apollo {

inline constexpr std::string_view kEndOfText = "<|endoftext|>";

// The tokens that the files of a tokenizer put around a text: [CLS] text [SEP] for a masked model,
// whose batches place the two themselves, or <|begin_of_text|> text for a causal one. A second text
// follows with the same token before it, or, if there is an `after`, with another `after` behind
// it.
struct TokensAround {
  std::vector<TokenId> before;
  std::optional<TokenId> after;

  bool empty() const { return before.empty() && !after; }
  bool operator==(const TokensAround&) const = default;
};

struct BpeVocabulary {
  // By id, in the characters of vocabulary files (byte_level.h); "" if no token has the id.
  std::vector<std::string> tokens;
  std::vector<Merge> merges;       // by rank; every id is one of `tokens`
  std::vector<AddedToken> added;   // each also in `tokens`, or with an id that is unused there
  std::optional<TokenId> unknown;  // for bytes without a token; not set: they are dropped
  bool fuse_unknown = false;       // several unknown bytes in a row become one
  bool ignore_merges = false;      // a word that is a token stays it, whatever the merges say
  bool add_prefix_space = false;   // before every stretch of ordinary text
  bool nfc = false;                // bring text into Unicode normal form C first
  PreTokenizer pre_tokenizer = PreTokenizer::kGpt2;
  TokensAround around;
  TokenRoles roles;
};

// The end of a text is <|endoftext|> unless a file says otherwise. As in GPT-2 it is also the
// beginning and the unknown token. If it is only among the tokens, it becomes an added token.
void fill_roles(BpeVocabulary& vocabulary);

// Returns 256 byte values with id = byte, and <|endoftext|> = 256; there are no merges.
BpeVocabulary make_bytes_vocabulary();

// Returns a hash that is equal for vocabularies that give equal ids.
std::string hash_vocabulary(const BpeVocabulary& vocabulary);

}  // namespace apollo
