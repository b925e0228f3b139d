#include <nlohmann/json.hpp>

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "text/tokenizer_json.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;
// The sorted kind: ordered_json looks keys up one by one, 50,000 of them in a vocabulary.
using json = nlohmann::json;
using TokenIds = std::unordered_map<std::string, TokenId>;

json parse_file(const fs::path& path) {
  const MappedFile file(path);
  json root;
  try {
    root = json::parse(file.text());
  } catch (const json::parse_error& error) {
    fail<DataError>("{}: damaged JSON at byte {}", path.string(), error.byte);
  } catch (const json::exception& error) {  // a number beyond all limits
    fail<DataError>("{}: damaged JSON: {}", path.string(), error.what());
  }
  if (!root.is_object()) {
    fail<DataError>("{}: expected a JSON object, found {}", path.string(), root.type_name());
  }
  return root;
}

// One object of a file, with its name for messages: "model", "added_tokens[3]".
class Section {
 public:
  Section(const fs::path& path, std::string name, const json& object)
      : path_(path.string()), name_(std::move(name)), object_(object) {
    if (!object.is_object()) fail_type(name_, "an object", object);
  }

  // Null where the key is absent or null.
  const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  bool flag(const char* key, bool fallback) const {
    const json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_boolean()) fail_type(name_of(key), "true or false", *value);
    return value->get<bool>();
  }

  std::string text(const char* key, const std::string& fallback) const {
    const json* value = find(key);
    if (value == nullptr) return fallback;
    if (!value->is_string()) fail_type(name_of(key), "a string", *value);
    return value->get<std::string>();
  }

  const json& need(const char* key) const {
    const json* value = find(key);
    if (value == nullptr) fail<DataError>("{}: '{}' is missing", path_, name_of(key));
    return *value;
  }

  std::string name_of(const char* key) const {
    return name_.empty() ? std::string(key) : name_ + "." + key;
  }

  [[noreturn]] void fail_type(const std::string& name, const char* expected,
                              const json& found) const {
    fail<DataError>("{}: '{}' must be {}, found {}", path_, name, expected, found.type_name());
  }

  [[noreturn]] void fail_unsupported(const std::string& name, const std::string& found,
                                     const char* expected) const {
    fail<DataError>("{}: {} '{}' is not supported; expected {}", path_, name, found, expected);
  }

  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::string name_;
  const json& object_;
};

// The type of a part of the pipeline, a Sequence of one counted as that one; "" where there is
// none.
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

void check_post_processor(const Section& root) {
  const json* part = root.find("post_processor");
  const std::string type = part_type(root, "post_processor", part);
  if (type.empty() || type == "ByteLevel") return;
  const char* const expected = "none, ByteLevel or a TemplateProcessing that adds no tokens";
  if (type != "TemplateProcessing") root.fail_unsupported("post-processor", type, expected);
  const json& single = Section(root.path(), "post_processor", *part).need("single");
  for (const json& piece : single) {
    if (!piece.contains("Sequence")) root.fail_unsupported("post-processor", type, expected);
  }
}

// Reads what stands around the model; returns add_prefix_space.
bool read_pipeline(const Section& root) {
  const json* normalizer = root.find("normalizer");
  const std::string normalizer_type = part_type(root, "normalizer", normalizer);
  if (!normalizer_type.empty()) root.fail_unsupported("normalizer", normalizer_type, "none");

  const json* pre_tokenizer = root.find("pre_tokenizer");
  const std::string type = part_type(root, "pre_tokenizer", pre_tokenizer);
  if (type != "ByteLevel") {
    root.fail_unsupported("pre-tokenizer", type.empty() ? "none" : type, "ByteLevel");
  }
  const json* decoder = root.find("decoder");
  const std::string decoder_type = part_type(root, "decoder", decoder);
  if (decoder_type != "ByteLevel") {
    root.fail_unsupported("decoder", decoder_type.empty() ? "none" : decoder_type, "ByteLevel");
  }
  check_post_processor(root);
  for (const char* key : {"truncation", "padding"}) {
    if (root.find(key) != nullptr) log_warning("{}: '{}' is not used", root.path(), key);
  }
  const Section byte_level(root.path(), "pre_tokenizer", *pre_tokenizer);
  if (!byte_level.flag("use_regex", true)) {
    root.fail_unsupported("pre_tokenizer.use_regex", "false", "true (the pattern of GPT-2)");
  }
  return byte_level.flag("add_prefix_space", true);
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

Merge make_merge(const std::string& where, const std::string& left, const std::string& right,
                 const TokenIds& ids) {
  const auto id_of = [&](const std::string& token) {
    const auto found = ids.find(token);
    if (found == ids.end()) {
      fail<DataError>("{}: merge of '{}' and '{}': token '{}' is not in the vocabulary", where,
                      left, right, token);
    }
    return found->second;
  };
  return {id_of(left), id_of(right), id_of(left + right)};
}

Merge parse_merge(const std::string& where, const std::string& line, const TokenIds& ids) {
  const size_t space = line.find(' ');
  if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
    fail<DataError>("{}: expected two tokens with a space between, found '{}'", where, line);
  }
  return make_merge(where, line.substr(0, space), line.substr(space + 1), ids);
}

std::vector<Merge> read_merges(const std::string& path, const json& list, const TokenIds& ids) {
  if (!list.is_array()) {
    fail<DataError>("{}: 'model.merges' must be an array, found {}", path, list.type_name());
  }
  std::vector<Merge> merges;
  merges.reserve(list.size());
  for (const json& entry : list) {
    const auto where = [&] { return fmt::format("{}: merge {}", path, merges.size()); };
    if (entry.is_string()) {
      merges.push_back(parse_merge(where(), entry.get_ref<const std::string&>(), ids));
    } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
               entry[1].is_string()) {
      merges.push_back(make_merge(where(), entry[0].get_ref<const std::string&>(),
                                  entry[1].get_ref<const std::string&>(), ids));
    } else {
      fail<DataError>("{}: expected \"a b\" or [\"a\", \"b\"], found {}", where(),
                      entry.dump().substr(0, 60));
    }
  }
  return merges;
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
               BpeVocabulary& vocabulary) {
  const auto known = ids.find(token.text);
  if (known != ids.end() && known->second != token.id) {
    fail<DataError>("{}: added token '{}' has id {}, but {} in the vocabulary", path, token.text,
                    token.id, known->second);
  }
  const auto i = static_cast<size_t>(token.id);
  if (known == ids.end() && i < vocabulary.tokens.size() && !vocabulary.tokens[i].empty()) {
    fail<DataError>("{}: tokens '{}' and '{}' have the same id {}", path, vocabulary.tokens[i],
                    token.text, token.id);
  }
  for (const AddedToken& other : vocabulary.added) {
    if (other.id == token.id || other.text == token.text) {
      fail<DataError>("{}: added tokens '{}' (id {}) and '{}' (id {}) clash", path, other.text,
                      other.id, token.text, token.id);
    }
  }
  vocabulary.added.push_back(std::move(token));
}

void read_added_tokens(const Section& root, const TokenIds& ids, BpeVocabulary& vocabulary) {
  const json* list = root.find("added_tokens");
  if (list == nullptr) return;
  if (!list->is_array()) root.fail_type("added_tokens", "an array", *list);
  for (size_t i = 0; i < list->size(); ++i) {
    const Section section(root.path(), fmt::format("added_tokens[{}]", i), (*list)[i]);
    AddedToken token = read_added_token(section);
    token.id = read_id(root.path(), token.text, section.need("id"), ids.size() + list->size());
    add_token(root.path(), std::move(token), ids, vocabulary);
  }
}

void check_model(const Section& root, const Section& model) {
  const std::string type = model.text("type", "BPE");
  if (type != "BPE") root.fail_unsupported("model type", type, "BPE");
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const std::string value = model.text(key, "");
    if (!value.empty()) root.fail_unsupported(model.name_of(key), value, "none");
  }
  if (model.flag("byte_fallback", false)) {
    root.fail_unsupported(model.name_of("byte_fallback"), "true", "false");
  }
  const json* dropout = model.find("dropout");
  if (dropout != nullptr && *dropout != 0.0) {
    root.fail_unsupported(model.name_of("dropout"), dropout->dump(), "none");
  }
}

}  // namespace

BpeVocabulary read_tokenizer_json(const fs::path& path) {
  const json file = parse_file(path);
  const Section root(path, "", file);
  const Section model(path, "model", root.need("model"));
  check_model(root, model);

  BpeVocabulary vocabulary;
  vocabulary.add_prefix_space = read_pipeline(root);
  vocabulary.ignore_merges = model.flag("ignore_merges", false);
  vocabulary.fuse_unknown = model.flag("fuse_unk", false);
  TokenIds ids;
  read_tokens(root.path(), model.need("vocab"), vocabulary.tokens, ids);
  vocabulary.merges = read_merges(root.path(), model.need("merges"), ids);
  read_added_tokens(root, ids, vocabulary);
  const std::string unknown = model.text("unk_token", "");
  if (!unknown.empty()) {
    const auto found = ids.find(unknown);
    if (found == ids.end()) {
      fail<DataError>("{}: 'model.unk_token' '{}' is not in the vocabulary", root.path(), unknown);
    }
    vocabulary.unknown = found->second;
  }
  return vocabulary;
}

BpeVocabulary read_vocab_and_merges(const fs::path& vocab_path, const fs::path& merges_path) {
  BpeVocabulary vocabulary;
  TokenIds ids;
  read_tokens(vocab_path.string(), parse_file(vocab_path), vocabulary.tokens, ids);

  const MappedFile merges(merges_path);
  std::string_view rest = merges.text();
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty() || line.starts_with("#version")) continue;
    const std::string where = fmt::format("{}:{}", merges_path.string(), number);
    vocabulary.merges.push_back(parse_merge(where, line, ids));
  }

  const fs::path config_path = vocab_path.parent_path() / "tokenizer_config.json";
  const json config = fs::exists(config_path) ? parse_file(config_path) : json::object();
  const Section section(config_path, "", config);
  vocabulary.add_prefix_space = section.flag("add_prefix_space", false);
  if (const json* added = section.find("added_tokens_decoder"); added && added->is_object()) {
    for (const auto& [id, entry] : added->items()) {
      AddedToken token = read_added_token(Section(config_path, "added_tokens_decoder", entry));
      token.id = read_id(config_path.string(), token.text, json::parse(id, nullptr, false),
                         ids.size() + added->size());
      add_token(config_path.string(), std::move(token), ids, vocabulary);
    }
  } else if (const auto end = ids.find(std::string(kEndOfText)); end != ids.end()) {
    AddedToken token;
    token.id = end->second;
    token.text = kEndOfText;
    token.special = true;
    add_token(vocab_path.string(), std::move(token), ids, vocabulary);
  }
  return vocabulary;
}

}  // namespace apollo
