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

}  // namespace apollo
