// Which token has which role for a model. The roles are those that `transformers` knows by name.
//
// Invariant: code that reads, writes or cuts text asks for a role, never for the text of a token.
// The end of a document is `eos`, or `sep` if a tokenizer has no `eos`.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace apollo {

using TokenId = int32_t;

struct TokenRoles {
  std::optional<TokenId> bos;   // begins a text
  std::optional<TokenId> eos;   // ends one
  std::optional<TokenId> unk;   // stands for text without a token
  std::optional<TokenId> sep;   // between two texts
  std::optional<TokenId> pad;   // fills a row of a batch
  std::optional<TokenId> cls;   // what a classifier reads
  std::optional<TokenId> mask;  // what is to be guessed

  bool operator==(const TokenRoles&) const = default;
};

// Returns the tokens that a masked model needs but `roles` lacks, spelled as in BERT: "[CLS],
// [MASK]"; "" if none is missing.
std::string missing_mask_roles(const TokenRoles& roles);

struct TokenRoleName {
  std::string_view key;  // in tokenizer_config.json and special_tokens_map.json
  std::optional<TokenId> TokenRoles::*id;
};

inline constexpr std::array<TokenRoleName, 7> kTokenRoleNames = {{
    {"bos_token", &TokenRoles::bos},
    {"eos_token", &TokenRoles::eos},
    {"unk_token", &TokenRoles::unk},
    {"sep_token", &TokenRoles::sep},
    {"pad_token", &TokenRoles::pad},
    {"cls_token", &TokenRoles::cls},
    {"mask_token", &TokenRoles::mask},
}};

}  // namespace apollo
