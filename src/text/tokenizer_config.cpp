#include "text/tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
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

// The text of a token that stands as a string or as an object with flags.
std::string token_text(const Section& section, const char* key) {
  const json* value = section.find(key);
  if (value == nullptr) return "";
  if (value->is_object()) return Section(section.path(), key, *value).text("content", "");
  return section.text(key, "");
}

void read_roles(const Section& section, TokenizerConfig& config) {
  for (size_t i = 0; i < kTokenRoleNames.size(); ++i) {
    const std::string text = token_text(section, kTokenRoleNames[i].key.data());
    if (!text.empty()) config.roles[i] = text;
  }
}

// As the class without "Fast" has them for arguments that are not given.
void fill_default_roles(TokenizerConfig& config) {
  const auto fill = [&](std::string_view key, std::string_view text) {
    for (size_t i = 0; i < kTokenRoleNames.size(); ++i) {
      if (kTokenRoleNames[i].key == key && config.roles[i].empty()) config.roles[i] = text;
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

std::set<std::string> special_texts(const Section& section, const TokenizerConfig& config) {
  std::set<std::string> texts(config.roles.begin(), config.roles.end());
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"}) {
    const json* list = section.find(key);
    if (list == nullptr || !list->is_array()) continue;
    for (const json& entry : *list) {
      if (entry.is_string()) texts.insert(entry.get<std::string>());
      if (entry.is_object()) texts.insert(Section(section.path(), key, entry).text("content", ""));
    }
  }
  return texts;
}

const AddedToken* find_text(const std::vector<AddedToken>& tokens, const std::string& text) {
  const auto found = std::find_if(tokens.begin(), tokens.end(),
                                  [&](const AddedToken& token) { return token.text == text; });
  return found == tokens.end() ? nullptr : &*found;
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
  auto next = static_cast<TokenId>(num_tokens);
  for (const AddedToken& other : before)
    next = std::max(next, other.id + 1);
  if (token.id == next) return;
  log_warning(
      "{}: added token '{}' has id {} there, but `tokenizers` gives it {}, the next one that is "
      "free; {} is taken (hint: a model that knows it by another id needs its vocabulary mended)",
      path, token.text, token.id, next, next);
  token.id = next;
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
  read_roles(section, config);
  const json* decoder = section.find("added_tokens_decoder");
  if (decoder != nullptr && !decoder->is_object()) {
    section.fail_type("added_tokens_decoder", "an object", *decoder);
  }
  if (decoder != nullptr) {
    fill_default_roles(config);
    read_added_decoder(path, *decoder, config);
  } else {
    // Both files are of the time before "added_tokens_decoder" and count only without it.
    const fs::path map_path = dir / "special_tokens_map.json";
    const json map = read_if_there(map_path);
    read_roles(Section(map_path, "", map), config);
    fill_default_roles(config);
    std::set<std::string> special = special_texts(section, config);
    special.merge(special_texts(Section(map_path, "", map), config));
    read_added_tokens_json(dir / "added_tokens.json", special, config);
  }
  std::sort(config.added.begin(), config.added.end(), by_id);
  return config;
}

std::vector<AddedToken> merge_added_tokens(const std::string& path, std::vector<AddedToken> listed,
                                           const TokenizerConfig& config, const TokenIds& ids,
                                           const std::vector<std::string>& tokens) {
  const bool builds_anew = config.is_bert() || config.is_gpt2() || config.is_qwen();
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
  for (const std::string& text : config.roles) {
    const auto known = ids.find(text);
    if (text.empty() || known == ids.end() || find_text(added, text) != nullptr) continue;
    AddedToken token;
    token.id = known->second;
    token.text = text;
    token.special = true;
    add(config.path, std::move(token));
  }
  return added;
}

TokenRoles find_roles(const TokenizerConfig& config, const TokenIds& ids,
                      const std::vector<AddedToken>& added) {
  TokenRoles roles;
  for (size_t i = 0; i < kTokenRoleNames.size(); ++i) {
    const std::string& text = config.roles[i];
    if (text.empty()) continue;
    if (const AddedToken* token = find_text(added, text)) {
      roles.*kTokenRoleNames[i].id = token->id;
    } else if (const auto known = ids.find(text); known != ids.end()) {
      roles.*kTokenRoleNames[i].id = known->second;
    } else if (kTokenRoleNames[i].key == "eos_token" && !config.is_gpt2()) {
      log_warning("{}: eos_token '{}' is not in the vocabulary", config.path, text);
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
  if (!config.is_gpt2() && !config.is_qwen()) return;
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
