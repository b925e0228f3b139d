// Which token does what for a model: the roles that `transformers` knows by name.
//
// Invariant: what reads, writes or cuts text asks for a role and never for the text of a token. The
// end of a document is `eos`, or `sep` where a tokenizer has no `eos`.
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
  std::optional<TokenId> unk;   // stands for what has no token
  std::optional<TokenId> sep;   // between two texts
  std::optional<TokenId> pad;   // fills a row of a batch
  std::optional<TokenId> cls;   // what a classifier reads
  std::optional<TokenId> mask;  // what is to be guessed

  bool operator==(const TokenRoles&) const = default;
};

// What a masked model needs and `roles` does not name, as BERT spells it: "[CLS], [MASK]"; ""
// where nothing is missing.
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
