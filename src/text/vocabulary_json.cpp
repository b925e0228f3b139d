#include "text/vocabulary_json.h"

#include <fmt/format.h>

#include <algorithm>

namespace apollo {

std::string quoted_json(const std::string& text) {
  return nlohmann::json(text).dump();
}

std::string vocab_lines(const std::vector<std::string>& tokens, const std::string& indent) {
  std::string lines;
  for (size_t id = 0; id < tokens.size(); ++id) {
    if (tokens[id].empty()) continue;
    lines +=
        fmt::format("{}\n{}{}: {}", lines.empty() ? "" : ",", indent, quoted_json(tokens[id]), id);
  }
  return lines;
}

Json added_tokens_json(std::vector<AddedToken> added) {
  std::sort(added.begin(), added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  Json list = Json::array();
  for (const AddedToken& token : added) {
    list.push_back({{"id", token.id},
                    {"content", token.text},
                    {"single_word", token.single_word},
                    {"lstrip", token.lstrip},
                    {"rstrip", token.rstrip},
                    {"normalized", token.normalized},
                    {"special", token.special}});
  }
  return list;
}

void put_roles(const TokenRoles& roles, const std::vector<std::string>& tokens,
               const std::vector<AddedToken>& added, Json& config) {
  for (const TokenRoleName& role : kTokenRoleNames) {
    const std::optional<TokenId> id = roles.*role.id;
    if (!id) continue;
    const auto found = std::find_if(added.begin(), added.end(),
                                    [&](const AddedToken& token) { return token.id == *id; });
    config[std::string(role.key)] =
        found != added.end() ? found->text : tokens.at(static_cast<size_t>(*id));
  }
}

}  // namespace apollo
