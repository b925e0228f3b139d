// What the writers of tokenizer files share. They write line by line and not through a JSON tree:
// HF orders a vocabulary by its ids, and 50,000 keys are slow in nlohmann's ordered objects.
#pragma once

#include <string>
#include <vector>

#include "base/json_lines.h"
#include "text/added_tokens.h"
#include "text/token_roles.h"

namespace apollo {

// Returns `text` as a JSON string.
std::string quoted_json(const std::string& text);

// Returns the indented lines `"token": id` between the braces of a vocabulary; "" is not a token.
std::string vocab_lines(const std::vector<std::string>& tokens, const std::string& indent);

// Returns the list "added_tokens", by id.
Json added_tokens_json(std::vector<AddedToken> added);

// Writes each role that has a token into a tokenizer_config.json, as the token's text.
void put_roles(const TokenRoles& roles, const std::vector<std::string>& tokens,
               const std::vector<AddedToken>& added, Json& config);

}  // namespace apollo
