#include "text/json_section.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <unordered_set>

#include "base/file.h"
#include "base/json_checks.h"

namespace apollo {

namespace fs = std::filesystem;
using json = nlohmann::json;

json parse_json_file(const fs::path& path) {
  const MappedFile file(path);
  // A key that comes twice is a token that is there twice; the parser would take the last.
  std::vector<std::unordered_set<std::string>> keys;  // of the objects that are open
  const auto check_keys = [&](int, json::parse_event_t event, const json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value).second) {
      fail<DataError>("{}: key {} is there twice in one object", path.string(), value.dump());
    }
    return true;
  };
  if (const size_t deep = find_too_deep(file.text()); deep != std::string_view::npos) {
    fail<DataError>("{}: damaged JSON at byte {}: nested deeper than 100", path.string(), deep + 1);
  }
  json root;
  try {
    root = json::parse(file.text(), check_keys);
  } catch (const json::parse_error& error) {
    fail<DataError>("{}: damaged JSON at byte {}", path.string(), error.byte);
  } catch (const json::exception& error) {  // a number beyond all limits
    fail<DataError>("{}: damaged JSON: {}", path.string(), words_of(error));
  }
  if (!root.is_object()) {
    fail<DataError>("{}: expected a JSON object, found {}", path.string(), root.type_name());
  }
  return root;
}

std::string part_type(const Section& root, const char* name, const json*& part) {
  const char* const list_names[] = {"normalizers", "pretokenizers", "decoders", "processors"};
  while (part != nullptr) {
    const Section section(root.path(), name, *part);
    const std::string type = section.text("type", "");
    const json* list = nullptr;
    if (type == "Sequence") {
      for (const char* name : list_names)
        list = list == nullptr ? section.find(name) : list;
    }
    if (list == nullptr || !list->is_array() || list->size() > 1) return type;
    part = list->empty() ? nullptr : &list->front();
  }
  return "";
}

TokenId read_id(const std::string& path, const std::string& name, const json& value,
                size_t num_tokens) {
  if (!value.is_number_integer()) {
    fail<DataError>("{}: id of token '{}' must be an integer, found {}", path, name,
                    value.type_name());
  }
  // Gaps are allowed, but no id may make us allocate more than the file's size suggests.
  const auto limit = static_cast<int64_t>(num_tokens) * 4 + 65536;
  const bool is_huge =
      value.is_number_unsigned() && value.get<uint64_t>() > std::numeric_limits<TokenId>::max();
  if (is_huge || value.get<int64_t>() < 0 || value.get<int64_t>() >= limit) {
    fail<DataError>("{}: id {} of token '{}' is out of range for a vocabulary of {} tokens", path,
                    value.dump(), name, num_tokens);
  }
  return value.get<TokenId>();
}

void read_tokens(const std::string& path, const json& vocab, std::vector<std::string>& tokens,
                 TokenIds& ids) {
  if (!vocab.is_object() || vocab.empty()) {
    fail<DataError>("{}: the vocabulary must be an object of tokens and ids, found {} of {}", path,
                    vocab.type_name(), vocab.size());
  }
  ids.reserve(vocab.size());
  for (const auto& [token, value] : vocab.items()) {
    if (token.empty()) fail<DataError>("{}: the vocabulary holds an empty token", path);
    const TokenId id = read_id(path, token, value, vocab.size());
    const auto i = static_cast<size_t>(id);
    if (i >= tokens.size()) tokens.resize(std::max(i + 1, vocab.size()));
    if (!tokens[i].empty()) {
      fail<DataError>("{}: tokens '{}' and '{}' have the same id {}", path, tokens[i], token, id);
    }
    tokens[i] = token;
    ids.emplace(token, id);
  }
}

AddedToken read_added_token(const Section& section) {
  AddedToken token;
  const json& text = section.need("content");
  if (!text.is_string() || text.get_ref<const std::string&>().empty()) {
    section.fail_type(section.name_of("content"), "a string that is not empty", text);
  }
  token.text = text.get<std::string>();
  token.special = section.flag("special", false);
  token.lstrip = section.flag("lstrip", false);
  token.rstrip = section.flag("rstrip", false);
  token.single_word = section.flag("single_word", false);
  token.normalized = section.flag("normalized", true);
  return token;
}

void add_token(const std::string& path, AddedToken token, const TokenIds& ids,
               const std::vector<std::string>& tokens, std::vector<AddedToken>& added) {
  const auto known = ids.find(token.text);
  if (known != ids.end() && known->second != token.id) {
    fail<DataError>("{}: added token '{}' has id {}, but {} in the vocabulary", path, token.text,
                    token.id, known->second);
  }
  const auto i = static_cast<size_t>(token.id);
  if (known == ids.end() && i < tokens.size() && !tokens[i].empty()) {
    fail<DataError>("{}: tokens '{}' and '{}' have the same id {}", path, tokens[i], token.text,
                    token.id);
  }
  for (const AddedToken& other : added) {
    if (other.id == token.id || other.text == token.text) {
      fail<DataError>("{}: added tokens '{}' (id {}) and '{}' (id {}) clash", path, other.text,
                      other.id, token.text, token.id);
    }
  }
  added.push_back(std::move(token));
}

std::vector<AddedToken> read_added_tokens(const Section& root, size_t num_tokens) {
  std::vector<AddedToken> added;
  const json* list = root.find("added_tokens");
  if (list == nullptr) return added;
  if (!list->is_array()) root.fail_type("added_tokens", "an array", *list);
  for (size_t i = 0; i < list->size(); ++i) {
    const Section section(root.path(), fmt::format("added_tokens[{}]", i), (*list)[i]);
    AddedToken token = read_added_token(section);
    token.id = read_id(root.path(), token.text, section.need("id"), num_tokens + list->size());
    added.push_back(std::move(token));
  }
  return added;
}

}  // namespace apollo
