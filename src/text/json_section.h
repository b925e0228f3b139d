// What readers of tokenizer files share: a JSON file, its objects with names for messages, ids,
// tokens and added tokens. All throw DataError with the path and the name of what is wrong.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/added_tokens.h"
#include "text/tokenizer.h"

namespace apollo {

using TokenIds = std::unordered_map<std::string, TokenId>;

// Returns the root of a file, which must be an object. Its type sorts its keys: ordered_json looks
// keys up one by one, and a vocabulary has 50,000 of them.
nlohmann::json parse_json_file(const std::filesystem::path& path);

// One object of a file, with its name for messages: "model", "added_tokens[3]".
class Section {
 public:
  Section(const std::filesystem::path& path, std::string name, const nlohmann::json& object)
      : path_(path.string()), name_(std::move(name)), object_(object) {
    if (!object.is_object()) fail_type(name_, "an object", object);
  }

  // Returns null if the key is absent or null.
  const nlohmann::json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  // Returns whether the key is present, null or not.
  bool has(const char* key) const { return object_.contains(key); }

  bool flag(const char* key, bool fallback) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) fail_type(name_of(key), "true or false", *value);
    return value->get<bool>();
  }

  std::string text(const char* key, const std::string& fallback) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_string()) fail_type(name_of(key), "a string", *value);
    return value->get<std::string>();
  }

  const nlohmann::json& need(const char* key) const {
    const nlohmann::json* value = find(key);
    if (value == nullptr) fail<DataError>("{}: '{}' is missing", path_, name_of(key));
    return *value;
  }

  std::string name_of(const char* key) const {
    return name_.empty() ? std::string(key) : name_ + "." + key;
  }

  [[noreturn]] void fail_type(const std::string& name, const char* expected,
                              const nlohmann::json& found) const {
    fail<DataError>("{}: '{}' must be {}, found {}", path_, name, expected, found.type_name());
  }

  [[noreturn]] void fail_unsupported(const std::string& name, const std::string& found,
                                     const char* expected) const {
    fail<DataError>("{}: {} '{}' is not supported; expected {}", path_, name, found.substr(0, 60),
                    expected);
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::string name_;
  const nlohmann::json& object_;
};

// Returns the type of a part of the pipeline, or "" if there is none, and sets `part` to it. A
// Sequence of one part counts as that part.
std::string part_type(const Section& root, const char* name, const nlohmann::json*& part);

// Reads the vocabulary's object of tokens and ids. Unused ids are "" in `tokens`.
void read_tokens(const std::string& path, const nlohmann::json& vocab,
                 std::vector<std::string>& tokens, TokenIds& ids);

// Reads an id of a vocabulary of `num_tokens`; reasonable gaps are allowed.
TokenId read_id(const std::string& path, const std::string& name, const nlohmann::json& value,
                size_t num_tokens);

// Reads an entry of "added_tokens" or "added_tokens_decoder", without its id.
AddedToken read_added_token(const Section& section);

// Adds a token that must agree with the vocabulary and with the tokens added before it.
void add_token(const std::string& path, AddedToken token, const TokenIds& ids,
               const std::vector<std::string>& tokens, std::vector<AddedToken>& added);

// Reads the list "added_tokens" of a tokenizer.json, with the ids that it names.
std::vector<AddedToken> read_added_tokens(const Section& root, size_t num_tokens);

}  // namespace apollo
