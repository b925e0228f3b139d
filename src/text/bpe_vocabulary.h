// All that makes one byte-level BPE tokenizer, as plain data: what files hold and training makes.
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

// What the files of a tokenizer put around a text: [CLS] text [SEP] for a masked model, whose
// batches place the two themselves, or <|begin_of_text|> text for a causal one. A second text
// follows with the same before it, or, where there is an `after`, with another one of these behind
// it.
struct TokensAround {
  std::vector<TokenId> before;
  std::optional<TokenId> after;

  bool empty() const { return before.empty() && !after; }
  bool operator==(const TokensAround&) const = default;
};

struct BpeVocabulary {
  // By id, in the characters of vocabulary files (byte_level.h); "" where no token has the id.
  std::vector<std::string> tokens;
  std::vector<Merge> merges;       // by rank; every id is one of `tokens`
  std::vector<AddedToken> added;   // each also in `tokens`, or with an id that is free there
  std::optional<TokenId> unknown;  // for bytes without a token; they are dropped where not set
  bool fuse_unknown = false;       // several unknown bytes in a row become one
  bool ignore_merges = false;      // a word that is a token is that token, whatever the merges say
  bool add_prefix_space = false;   // before every stretch of ordinary text
  bool nfc = false;                // text is brought into Unicode normal form C first
  PreTokenizer pre_tokenizer = PreTokenizer::kGpt2;
  TokensAround around;
  TokenRoles roles;
};

// The end of a text is <|endoftext|> where no file says otherwise: as in GPT-2 it is also the
// beginning and the unknown token. Among the tokens alone, it joins the added ones.
void fill_roles(BpeVocabulary& vocabulary);

// 256 byte values, id = byte, and <|endoftext|> = 256; no merges.
BpeVocabulary make_bytes_vocabulary();

// Equal for vocabularies that give equal ids.
std::string hash_vocabulary(const BpeVocabulary& vocabulary);

}  // namespace apollo
