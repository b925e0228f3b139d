#include "text/bpe_pipeline.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/printable.h"

namespace apollo {
namespace {

using json = nlohmann::json;

// Names that tell where a tokenizer of another kind comes from.
std::string with_origin(const std::string& type) {
  const bool is_sentencepiece = type == "Metaspace" || type == "Prepend";
  return is_sentencepiece ? type + " (of SentencePiece)" : type.empty() ? "none" : type;
}

void read_byte_level(const Section& byte_level, BpeVocabulary& vocabulary) {
  if (!byte_level.flag("use_regex", true)) {
    byte_level.fail_unsupported("pre_tokenizer.use_regex", "false",
                                "true (the pattern of GPT-2), or a Split before it");
  }
  vocabulary.add_prefix_space = byte_level.flag("add_prefix_space", true);
}

PreTokenizer read_split(const Section& split) {
  const Section pattern(split.path(), "pre_tokenizer.pattern", split.need("pattern"));
  const std::string expression = pattern.text("Regex", "");
  const std::optional<PreTokenizer> kind = find_pre_tokenizer(expression);
  if (!kind) {
    split.fail_unsupported("pre_tokenizer.pattern", expression.substr(0, 60),
                           "the pattern of GPT-2, Llama 3 or Qwen");
  }
  const std::string behavior = split.text("behavior", "");
  if (behavior != "Isolated") {
    split.fail_unsupported("pre_tokenizer.behavior", behavior, "Isolated");
  }
  if (split.flag("invert", false)) {
    split.fail_unsupported("pre_tokenizer.invert", "true", "false");
  }
  return *kind;
}

// A Split and behind it a ByteLevel that cuts nothing.
void read_split_and_byte_level(const Section& root, const json& list, BpeVocabulary& vocabulary) {
  constexpr const char* kExpected = "ByteLevel, or Split and ByteLevel";
  std::string types;
  for (const json& part : list) {
    const std::string type = Section(root.path(), "pre_tokenizer", part).text("type", "");
    types += (types.empty() ? "" : ", ") + type;
  }
  if (types != "Split, ByteLevel") {
    root.fail_unsupported("pre-tokenizer", "Sequence of " + types, kExpected);
  }
  vocabulary.pre_tokenizer = read_split(Section(root.path(), "pre_tokenizer", list[0]));
  const Section byte_level(root.path(), "pre_tokenizer", list[1]);
  if (byte_level.flag("use_regex", true)) {
    root.fail_unsupported("pre_tokenizer.use_regex", "true", "false behind a Split");
  }
  if (byte_level.flag("add_prefix_space", true)) {
    root.fail_unsupported("pre_tokenizer.add_prefix_space", "true", "false behind a Split");
  }
}

void read_pre_tokenizer(const Section& root, BpeVocabulary& vocabulary) {
  const json* part = root.find("pre_tokenizer");
  const std::string type = part_type(root, "pre_tokenizer", part);
  if (type == "ByteLevel") {
    return read_byte_level(Section(root.path(), "pre_tokenizer", *part), vocabulary);
  }
  const json* list = type == "Sequence"
                         ? Section(root.path(), "pre_tokenizer", *part).find("pretokenizers")
                         : nullptr;
  if (list == nullptr || !list->is_array()) {
    root.fail_unsupported("pre-tokenizer", with_origin(type), "ByteLevel, or Split and ByteLevel");
  }
  read_split_and_byte_level(root, *list, vocabulary);
}

bool puts_tokens(const std::string& type) {
  return type == "TemplateProcessing" || type == "RobertaProcessing" || type == "BertProcessing";
}

// The post-processor that puts tokens around a text, or null. A ByteLevel before it decides about
// offsets alone.
const json* find_processor(const Section& root) {
  constexpr const char* kExpected =
      "none, ByteLevel, TemplateProcessing, RobertaProcessing or BertProcessing";
  const json* part = root.find("post_processor");
  const std::string type = part_type(root, "post_processor", part);
  if (type.empty() || type == "ByteLevel") return nullptr;
  if (puts_tokens(type)) return part;
  const json* list = type == "Sequence"
                         ? Section(root.path(), "post_processor", *part).find("processors")
                         : nullptr;
  if (list == nullptr || !list->is_array()) {
    root.fail_unsupported("post-processor", type, kExpected);
  }
  const json* found = nullptr;
  for (const json& entry : *list) {
    const std::string one = Section(root.path(), "post_processor", entry).text("type", "");
    const bool is_first = puts_tokens(one) && found == nullptr;
    if (!is_first && one != "ByteLevel") {
      root.fail_unsupported("post-processor", "Sequence with " + one, kExpected);
    }
    if (is_first) found = &entry;
  }
  return found;
}

// One piece of a template: "" for the text, else the name of a token.
std::string piece_name(const Section& section, const json& piece) {
  const auto named = [&](const char* kind) {
    const json* found = Section(section.path(), "post_processor", piece).find(kind);
    return found == nullptr ? "" : Section(section.path(), "post_processor", *found).text("id", "");
  };
  const std::string token = named("SpecialToken");
  return token.empty() && !named("Sequence").empty() ? "" : token;
}

std::vector<std::string> piece_names(const Section& section, const char* key) {
  std::vector<std::string> names;
  const json* pieces = section.find(key);
  if (pieces == nullptr) return names;
  if (!pieces->is_array()) section.fail_type(section.name_of(key), "an array", *pieces);
  for (const json& piece : *pieces)
    names.push_back(piece_name(section, piece));
  return names;
}

TokenId find_id(const Section& section, const char* key, const std::string& name,
                const TokenIds& ids, const std::vector<AddedToken>& added) {
  const auto known = ids.find(name);
  if (known != ids.end()) return known->second;
  const auto found = std::find_if(added.begin(), added.end(),
                                  [&](const AddedToken& token) { return token.text == name; });
  if (found == added.end()) {
    fail<DataError>("{}: '{}' names the token '{}', which is not there", section.path(),
                    section.name_of(key), name);
  }
  return found->id;
}

// The processor puts the id that it says, whatever the vocabulary holds.
void check_id(const Section& section, const char* key, const std::string& name, const json& said,
              TokenId id) {
  if (said == id) return;
  fail<DataError>("{}: '{}' gives '{}' the id {}, but the vocabulary {}", section.path(),
                  section.name_of(key), name, printable(said.dump()), id);
}

// An entry ["</s>", 2] of a RobertaProcessing or BertProcessing.
TokenId read_pair(const Section& section, const char* key, const TokenIds& ids,
                  const std::vector<AddedToken>& added) {
  const json& pair = section.need(key);
  if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string())
    section.fail_type(section.name_of(key), "a token and its id", pair);
  const auto name = pair[0].get<std::string>();
  const TokenId id = find_id(section, key, name, ids, added);
  check_id(section, key, name, pair[1], id);
  return id;
}

TokensAround read_template(const Section& section, const TokenIds& ids,
                           const std::vector<AddedToken>& added) {
  section.need("single");
  const std::vector<std::string> single = piece_names(section, "single");
  const auto text = std::find(single.begin(), single.end(), "");
  const bool is_known = text != single.end() && std::count(single.begin(), single.end(), "") == 1 &&
                        text - single.begin() <= 1 && single.end() - text <= 2;
  if (!is_known) {
    section.fail_unsupported("post-processor", "TemplateProcessing of another form",
                             "at most one token before the text and one behind it");
  }
  const json* said = section.find("special_tokens");
  const auto id_of = [&](const std::string& name) {
    const TokenId id = find_id(section, "single", name, ids, added);
    if (said == nullptr || !said->is_object() || !said->contains(name)) return id;
    const Section entry(section.path(), section.name_of("special_tokens"), said->at(name));
    const json& its_ids = entry.need("ids");
    const bool is_one = its_ids.is_array() && its_ids.size() == 1;
    check_id(section, "special_tokens", name, is_one ? its_ids[0] : its_ids, id);
    return id;
  };
  TokensAround around;
  for (auto name = single.begin(); name != text; ++name)
    around.before.push_back(id_of(*name));
  if (text + 1 != single.end()) {
    around.after = id_of(single.back());
    std::vector<std::string> pair = single;  // [CLS] A [SEP], and for two texts B [SEP] behind it
    pair.insert(pair.end(), {"", single.back()});
    if (piece_names(section, "pair") != pair) {
      section.fail_unsupported("post-processor", "TemplateProcessing of another form for two texts",
                               "[CLS] text [SEP] text [SEP]");
    }
  }
  return around;
}

Json piece_json(const std::string& token, const char* sequence, int segment) {
  const Json body = {{"id", token.empty() ? sequence : token}, {"type_id", segment}};
  return {{token.empty() ? "Sequence" : "SpecialToken", body}};
}

}  // namespace

void read_bpe_pipeline(const Section& root, BpeVocabulary& vocabulary) {
  const json* normalizer = root.find("normalizer");
  const std::string type = part_type(root, "normalizer", normalizer);
  if (!type.empty() && type != "NFC") {
    root.fail_unsupported("normalizer", with_origin(type), "none or NFC");
  }
  vocabulary.nfc = type == "NFC";
  read_pre_tokenizer(root, vocabulary);
  const json* decoder = root.find("decoder");
  const std::string decoder_type = part_type(root, "decoder", decoder);
  if (decoder_type != "ByteLevel") {
    root.fail_unsupported("decoder", with_origin(decoder_type), "ByteLevel");
  }
  for (const char* key : {"truncation", "padding"}) {
    if (root.find(key) != nullptr) log_warning("{}: '{}' is not used", root.path(), key);
  }
}

TokensAround read_tokens_around(const Section& root, const TokenIds& ids,
                                const BpeVocabulary& vocabulary) {
  const json* part = find_processor(root);
  if (part == nullptr) return {};
  const Section section(root.path(), "post_processor", *part);
  if (section.text("type", "") == "TemplateProcessing")
    return read_template(section, ids, vocabulary.added);
  return {{read_pair(section, "cls", ids, vocabulary.added)},
          read_pair(section, "sep", ids, vocabulary.added)};
}

void fill_roles_from_around(BpeVocabulary& vocabulary) {
  const TokensAround& around = vocabulary.around;
  TokenRoles& roles = vocabulary.roles;
  if (!around.before.empty() && around.after) {
    roles.cls = around.before.front();
    roles.sep = around.after;
  } else if (!around.before.empty()) {
    roles.bos = around.before.front();
  } else {
    roles.eos = around.after;
  }
}

Json normalizer_json(const BpeVocabulary& vocabulary) {
  return vocabulary.nfc ? Json{{"type", "NFC"}} : Json(nullptr);
}

Json pre_tokenizer_json(const BpeVocabulary& vocabulary) {
  const bool is_split = vocabulary.pre_tokenizer != PreTokenizer::kGpt2;
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", vocabulary.add_prefix_space},
                           {"trim_offsets", true},
                           {"use_regex", !is_split}};
  if (!is_split) return byte_level;
  const Json split = {{"type", "Split"},
                      {"pattern", {{"Regex", pre_token_pattern(vocabulary.pre_tokenizer)}}},
                      {"behavior", "Isolated"},
                      {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level})}};
}

Json post_processor_json(const BpeVocabulary& vocabulary) {
  const TokensAround& around = vocabulary.around;
  if (around.empty()) {
    return {{"type", "ByteLevel"},
            {"add_prefix_space", true},
            {"trim_offsets", false},
            {"use_regex", true}};
  }
  Json tokens = Json::object();
  const auto name_of = [&](TokenId id) {
    const auto found = std::find_if(vocabulary.added.begin(), vocabulary.added.end(),
                                    [&](const AddedToken& token) { return token.id == id; });
    const std::string name =
        found != vocabulary.added.end() ? found->text : vocabulary.tokens[static_cast<size_t>(id)];
    tokens[name] = {{"id", name}, {"ids", Json::array({id})}, {"tokens", Json::array({name})}};
    return name;
  };
  Json single = Json::array();
  Json pair = Json::array();
  const auto add = [&](const std::string& token, const char* sequence, int segment) {
    if (segment == 0) single.push_back(piece_json(token, sequence, segment));
    pair.push_back(piece_json(token, sequence, segment));
  };
  for (const TokenId id : around.before)
    add(name_of(id), "", 0);
  add("", "A", 0);
  if (around.after) add(name_of(*around.after), "", 0);
  for (const TokenId id : around.before) {
    if (!around.after) add(name_of(id), "", 1);
  }
  add("", "B", 1);
  if (around.after) add(name_of(*around.after), "", 1);
  return {{"type", "TemplateProcessing"},
          {"single", single},
          {"pair", pair},
          {"special_tokens", tokens}};
}

Json decoder_json() {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", true},
          {"trim_offsets", true},
          {"use_regex", true}};
}

}  // namespace apollo
