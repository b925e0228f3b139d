#include "text/tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/json_lines.h"
#include "base/log.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

json read_if_there(const fs::path& path) {
  return fs::exists(path) ? parse_json_file(path) : json::object();
}

std::optional<bool> find_flag(const Section& section, const char* key) {
  if (section.find(key) == nullptr) return std::nullopt;
  return section.flag(key, false);
}

// A special token that stands as a string or as an object with flags; no text where it is absent.
AddedToken special_token(const Section& section, const char* key, const json& value) {
  AddedToken token;
  if (value.is_object()) {
    const Section object(section.path(), section.name_of(key), value);
    token = read_added_token(object);
    token.normalized = object.flag("normalized", false);
  } else if (value.is_string()) {
    token.text = value.get<std::string>();
  } else {
    section.fail_type(section.name_of(key), "a string or an object", value);
  }
  token.special = true;
  return token;
}

bool is_role(std::string_view key) {
  return std::ranges::any_of(kTokenRoleNames,
                             [&](const TokenRoleName& role) { return role.key == key; });
}

void read_roles(const Section& section, TokenizerConfig& config) {
  for (size_t i = 0; i < kTokenRoleNames.size(); ++i) {
    const char* const key = kTokenRoleNames[i].key.data();
    const json* value = section.find(key);
    config.is_null[i] = config.is_null[i] || (value == nullptr && section.has(key));
    if (value == nullptr) continue;
    if (AddedToken token = special_token(section, key, *value); !token.text.empty())
      config.roles[i] = std::move(token);
  }
}

// As the class without "Fast" has them for arguments that are not given.
void fill_default_roles(TokenizerConfig& config) {
  const auto fill = [&](std::string_view key, std::string_view text) {
    for (size_t i = 0; i < kTokenRoleNames.size(); ++i) {
      if (kTokenRoleNames[i].key != key || !config.roles[i].text.empty()) continue;
      if (config.is_null[i]) continue;
      config.roles[i].text = text;
      config.roles[i].special = true;
    }
  };
  if (config.is_gpt2()) {
    for (const char* key : {"bos_token", "eos_token", "unk_token"})
      fill(key, kEndOfText);
  }
  if (config.is_qwen()) {
    for (const char* key : {"eos_token", "unk_token", "pad_token"})
      fill(key, kEndOfText);
  }
  if (config.is_roberta()) {
    for (const char* key : {"bos_token", "cls_token"})
      fill(key, "<s>");
    for (const char* key : {"eos_token", "sep_token"})
      fill(key, "</s>");
    fill("unk_token", "<unk>");
    fill("pad_token", "<pad>");
    fill("mask_token", "<mask>");
  }
  if (config.is_bert()) {
    fill("unk_token", "[UNK]");
    fill("sep_token", "[SEP]");
    fill("pad_token", "[PAD]");
    fill("cls_token", "[CLS]");
    fill("mask_token", "[MASK]");
  }
}

// The class of models whose config.json says nothing of their tokenizer.
std::string class_of_model_type(const std::string& type) {
  for (const char* bert : {"bert", "distilbert", "electra"}) {
    if (type == bert) return "BertTokenizer";
  }
  if (type == "qwen2" || type == "qwen3") return "Qwen2Tokenizer";
  if (type == "roberta") return "RobertaTokenizer";
  return type == "gpt2" || type == "gpt_neo" ? "GPT2Tokenizer" : "";
}

std::string read_class(const Section& section, const fs::path& dir) {
  std::string name = section.text("tokenizer_class", "");
  if (const fs::path path = dir / "config.json"; name.empty() && fs::exists(path)) {
    const json model = parse_json_file(path);
    const Section model_section(path, "", model);
    name = model_section.text("tokenizer_class", "");
    if (name.empty()) name = class_of_model_type(model_section.text("model_type", ""));
  }
  return name.ends_with("Fast") ? name.substr(0, name.size() - 4) : name;
}

bool by_id(const AddedToken& a, const AddedToken& b) {
  return a.id < b.id;
}

void read_added_decoder(const fs::path& path, const json& list, TokenizerConfig& config) {
  for (const auto& [id, entry] : list.items()) {
    AddedToken token = read_added_token(Section(path, "added_tokens_decoder", entry));
    const char* const end = id.data() + id.size();
    const auto number = std::from_chars(id.data(), end, token.id);
    if (number.ec != std::errc() || number.ptr != end || token.id < 0) {
      fail<DataError>("{}: 'added_tokens_decoder': expected an id, found '{}'", path.string(), id);
    }
    config.added.push_back(std::move(token));
  }
  config.lists_added = true;
}

void read_added_tokens_json(const fs::path& path, const std::set<std::string>& special,
                            TokenizerConfig& config) {
  const json list = read_if_there(path);
  for (const auto& [text, id] : list.items()) {
    if (text.empty()) fail<DataError>("{}: holds an empty token", path.string());
    AddedToken token;
    token.text = text;
    // The limit on ids is that of the vocabulary, which is not known here.
    token.id = read_id(path.string(), text, id, size_t{1} << 24);
    token.special = special.contains(text);
    token.normalized = !token.special;
    config.added.push_back(std::move(token));
  }
}

// The list of special tokens without a role under `key`; none where it is absent or no list.
std::vector<AddedToken> special_list(const Section& section, const char* key) {
  std::vector<AddedToken> tokens;
  const json* list = section.find(key);
  if (list == nullptr || !list->is_array()) return tokens;
  for (const json& entry : *list)
    tokens.push_back(special_token(section, key, entry));
  return tokens;
}

// Tokens under names of their own, such as "image_token", in the order of the file.
void read_named_tokens(const Section& section, const Json& in_order, TokenizerConfig& config) {
  for (const auto& [key, value] : in_order.items()) {
    if (!key.ends_with("_token") || is_role(key) || !(value.is_string() || value.is_object()))
      continue;
    config.further.push_back(special_token(section, key.c_str(), json(value)));
  }
  const auto named = in_order.find("extra_special_tokens");
  if (named == in_order.end() || !named->is_object()) return;
  for (const auto& [key, value] : named->items())
    config.further.push_back(special_token(section, key.c_str(), json(value)));
}

// Those of `map` (special_tokens_map.json) too, where it counts.
void read_further(const Section& section, const Section* map, const fs::path& path,
                  TokenizerConfig& config) {
  if (fs::exists(path)) read_named_tokens(section, read_json(path), config);
  std::vector<AddedToken> extra = special_list(section, "extra_special_tokens");
  if (extra.empty()) extra = special_list(section, "additional_special_tokens");
  if (map != nullptr) {
    for (AddedToken& token : special_list(*map, "extra_special_tokens"))
      extra.push_back(std::move(token));
    if (extra.empty()) extra = special_list(*map, "additional_special_tokens");
  }
  for (AddedToken& token : extra)
    config.further.push_back(std::move(token));
}

std::set<std::string> special_texts(const TokenizerConfig& config) {
  std::set<std::string> texts;
  for (const AddedToken& token : config.roles)
    texts.insert(token.text);
  for (const AddedToken& token : config.further)
    texts.insert(token.text);
  return texts;
}

const AddedToken* find_text(const std::vector<AddedToken>& tokens, const std::string& text) {
  const auto found = std::find_if(tokens.begin(), tokens.end(),
                                  [&](const AddedToken& token) { return token.text == text; });
  return found == tokens.end() ? nullptr : &*found;
}

// The id that `tokenizers` gives to the next token that is not in the vocabulary.
TokenId next_id(size_t num_tokens, const std::vector<AddedToken>& before) {
  auto next = static_cast<TokenId>(num_tokens);
  for (const AddedToken& other : before)
    next = std::max(next, other.id + 1);
  return next;
}

// Gives a token that lies behind the vocabulary the id that `tokenizers` gives it. What is left
// alone here, add_token() holds against the rest.
void assign_id(const std::string& path, AddedToken& token, const TokenIds& ids,
               const std::vector<std::string>& tokens, const std::vector<AddedToken>& before) {
  const size_t num_tokens = tokens.size();
  const auto is_gap = [&](TokenId id) { return tokens[static_cast<size_t>(id)].empty(); };
  if (ids.contains(token.text)) return;
  if (static_cast<size_t>(token.id) < num_tokens) {
    if (!is_gap(token.id)) return;
    fail<DataError>(
        "{}: added token '{}' has id {}, a gap in the vocabulary, but `tokenizers` gives it "
        "another "
        "(hint: put the token into the vocabulary)",
        path, token.text, token.id);
  }
  if (find_text(before, token.text) != nullptr) return;
  const TokenId next = next_id(num_tokens, before);
  if (token.id == next) return;
  log_warning(
      "{}: added token '{}' has id {} there, but `tokenizers` gives it {}, the next one that is "
      "free; {} is taken (hint: a model that knows it by another id needs its vocabulary mended)",
      path, token.text, token.id, next, next);
  token.id = next;
}

// Adds a special token that a file names without an id.
void add_named(const std::string& path, AddedToken token, const TokenIds& ids,
               const std::vector<std::string>& tokens, std::vector<AddedToken>& added) {
  if (token.text.empty() || find_text(added, token.text) != nullptr) return;
  if (const auto known = ids.find(token.text); known != ids.end()) {
    token.id = known->second;
  } else if (ids.size() < tokens.size()) {
    fail<DataError>(
        "{}: special token '{}' is not in the vocabulary, where no token has id {}; expected no "
        "gap, into which the next one would fall",
        path, token.text, std::ranges::find(tokens, "") - tokens.begin());
  } else {
    token.id = next_id(ids.size(), added);
    log_warning(
        "{}: special token '{}' is not in the vocabulary; it gets id {}, the next one that is "
        "free, as `transformers` gives it (hint: a model must have an embedding for it)",
        path, token.text, token.id);
  }
  add_token(path, std::move(token), ids, tokens, added);
}

template <class Value>
void take(const TokenizerConfig& config, const std::string& path, const char* key,
          const char* json_key, const Value& said, Value& value) {
  if (value == said) return;
  const auto text = [](const std::optional<bool>& v) {
    return v ? (*v ? "true" : "false") : "not set";
  };
  log_warning(
      "{}: '{}' is {}, but {} of {} says {}; the latter is believed, as `transformers` does "
      "(hint: make the two files agree)",
      path, json_key, text(value), key, config.path, text(said));
  value = said;
}

}  // namespace

bool TokenizerConfig::names_any_role() const {
  return std::ranges::any_of(roles, [](const AddedToken& token) { return !token.text.empty(); });
}

TokenizerConfig read_tokenizer_config(const fs::path& dir) {
  TokenizerConfig config;
  const fs::path path = dir / "tokenizer_config.json";
  config.path = path.string();
  const json file = read_if_there(path);
  const Section section(path, "", file);
  config.tokenizer_class = read_class(section, dir);
  config.do_lower_case = find_flag(section, "do_lower_case");
  config.strip_accents = find_flag(section, "strip_accents");
  config.tokenize_chinese_chars = find_flag(section, "tokenize_chinese_chars");
  config.add_prefix_space = find_flag(section, "add_prefix_space");
  config.add_bos_token = section.flag("add_bos_token", false);
  config.add_eos_token = section.flag("add_eos_token", false);
  read_roles(section, config);
  const json* decoder = section.find("added_tokens_decoder");
  if (decoder != nullptr && !decoder->is_object()) {
    section.fail_type("added_tokens_decoder", "an object", *decoder);
  }
  if (decoder != nullptr) {
    fill_default_roles(config);
    read_further(section, nullptr, path, config);
    read_added_decoder(path, *decoder, config);
  } else {
    // Both files are of the time before "added_tokens_decoder" and count only without it.
    const fs::path map_path = dir / "special_tokens_map.json";
    const json map = read_if_there(map_path);
    const Section map_section(map_path, "", map);
    read_roles(map_section, config);
    fill_default_roles(config);
    read_further(section, &map_section, path, config);
    read_added_tokens_json(dir / "added_tokens.json", special_texts(config), config);
  }
  std::sort(config.added.begin(), config.added.end(), by_id);
  return config;
}

std::vector<AddedToken> merge_added_tokens(const std::string& path, std::vector<AddedToken> listed,
                                           const TokenizerConfig& config, const TokenIds& ids,
                                           const std::vector<std::string>& tokens) {
  const bool builds_anew =
      config.is_bert() || config.is_gpt2() || config.is_qwen() || config.is_roberta();
  std::vector<AddedToken> added;
  const auto add = [&](const std::string& where, AddedToken token) {
    assign_id(where, token, ids, tokens, added);
    add_token(where, std::move(token), ids, tokens, added);
  };
  for (AddedToken& token : listed) {
    const AddedToken* other = find_text(config.added, token.text);
    if (builds_anew && config.lists_added && other != nullptr) {
      const TokenId id = token.id;
      token = *other;
      token.id = id;
    }
    add(path, std::move(token));
  }
  for (const AddedToken& token : config.added) {
    if (find_text(added, token.text) == nullptr) add(config.path, token);
  }
  for (const AddedToken& token : config.roles)
    add_named(config.path, token, ids, tokens, added);
  for (const AddedToken& token : config.further)
    add_named(config.path, token, ids, tokens, added);
  return added;
}

TokenRoles find_roles(const TokenizerConfig& config, const TokenIds& ids,
                      const std::vector<AddedToken>& added) {
  TokenRoles roles;
  for (size_t i = 0; i < kTokenRoleNames.size(); ++i) {
    const std::string& text = config.roles[i].text;
    if (text.empty()) continue;
    if (const AddedToken* token = find_text(added, text)) {
      roles.*kTokenRoleNames[i].id = token->id;
    } else if (const auto known = ids.find(text); known != ids.end()) {
      roles.*kTokenRoleNames[i].id = known->second;
    }
  }
  return roles;
}

void apply_options(const TokenizerConfig& config, const std::string& path,
                   BertNormalizerOptions& options) {
  if (!config.is_bert()) return;
  take(config, path, "do_lower_case", "normalizer.lowercase", config.do_lower_case.value_or(true),
       options.lowercase);
  take(config, path, "tokenize_chinese_chars", "normalizer.handle_chinese_chars",
       config.tokenize_chinese_chars.value_or(true), options.handle_chinese_chars);
  BertNormalizerOptions said = options;
  said.strip_accents = config.strip_accents;
  if (said.strips_accents() != options.strips_accents()) {
    take(config, path, "strip_accents", "normalizer.strip_accents", config.strip_accents,
         options.strip_accents);
  }
  options.strip_accents = config.strip_accents;
  options.clean_text = true;
}

void apply_options(const TokenizerConfig& config, const std::string& path,
                   BpeVocabulary& vocabulary) {
  if (!config.is_gpt2() && !config.is_qwen() && !config.is_roberta()) return;
  const bool nfc = config.is_qwen();
  const PreTokenizer kind = config.is_qwen() ? PreTokenizer::kQwen : PreTokenizer::kGpt2;
  if (nfc != vocabulary.nfc || kind != vocabulary.pre_tokenizer || vocabulary.ignore_merges) {
    log_warning(
        "{}: normalises or cuts text otherwise than {}, the class of its folder; the class is "
        "believed, as `transformers` does (hint: \"tokenizer_class\": \"PreTrainedTokenizerFast\" "
        "in {} keeps what the file says)",
        path, config.tokenizer_class, config.path);
  }
  vocabulary.nfc = nfc;
  vocabulary.pre_tokenizer = kind;
  vocabulary.ignore_merges = false;
  const bool add_prefix_space = config.add_prefix_space.value_or(false);
  if (add_prefix_space && config.is_qwen()) {
    fail<DataError>("{}: add_prefix_space 'true' is not supported for {}; expected false",
                    config.path, config.tokenizer_class);
  }
  take(config, path, "add_prefix_space", "pre_tokenizer.add_prefix_space", add_prefix_space,
       vocabulary.add_prefix_space);
}

}  // namespace apollo
