// Files of BERT's tokenizer: reading is strict about everything that decides about ids.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "text/json_section.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_json.h"
#include "text/utf8.h"
#include "text/vocabulary_json.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

Json template_piece(const char* kind, const char* id, int segment) {
  return {{kind, {{"id", id}, {"type_id", segment}}}};
}

Json template_single() {
  return Json::array({template_piece("SpecialToken", "[CLS]", 0),
                      template_piece("Sequence", "A", 0),
                      template_piece("SpecialToken", "[SEP]", 0)});
}

Json template_pair() {
  Json pieces = template_single();
  pieces.push_back(template_piece("Sequence", "B", 1));
  pieces.push_back(template_piece("SpecialToken", "[SEP]", 1));
  return pieces;
}

// encode_pair() does what BERT does; a file may say that or nothing. Returns which.
bool read_post_processor(const Section& root) {
  const json* part = root.find("post_processor");
  const std::string type = part_type(root, "post_processor", part);
  if (type.empty() || type == "BertProcessing") return !type.empty();
  const char* const expected = "BertProcessing or the TemplateProcessing of BERT";
  if (type != "TemplateProcessing") root.fail_unsupported("post-processor", type, expected);
  const Section section(root.path(), "post_processor", *part);
  if (section.need("single") != json(template_single()) ||
      section.need("pair") != json(template_pair())) {
    root.fail_unsupported("post-processor", "TemplateProcessing of another form", expected);
  }
  return true;
}

const json& need_part(const Section& root, const char* key, const char* name,
                      const char* expected) {
  const json* part = root.find(key);
  const std::string type = part_type(root, key, part);
  if (type != expected) root.fail_unsupported(name, type.empty() ? "none" : type, expected);
  return *part;
}

void read_pipeline(const Section& root, WordPieceVocabulary& vocabulary) {
  const Section normalizer(root.path(), "normalizer",
                           need_part(root, "normalizer", "normalizer", "BertNormalizer"));
  BertNormalizerOptions& options = vocabulary.normalizer;
  options.clean_text = normalizer.flag("clean_text", true);
  options.handle_chinese_chars = normalizer.flag("handle_chinese_chars", true);
  options.lowercase = normalizer.flag("lowercase", true);
  if (normalizer.find("strip_accents") != nullptr) {
    options.strip_accents = normalizer.flag("strip_accents", true);
  }
  need_part(root, "pre_tokenizer", "pre-tokenizer", "BertPreTokenizer");
  const Section decoder(root.path(), "decoder", need_part(root, "decoder", "decoder", "WordPiece"));
  const std::string prefix = decoder.text("prefix", std::string(kContinuation));
  if (prefix != kContinuation) root.fail_unsupported("decoder.prefix", prefix, "##");
  vocabulary.clean_up_decoded = decoder.flag("cleanup", true);
  vocabulary.has_template = read_post_processor(root);
  for (const char* key : {"truncation", "padding"}) {
    if (root.find(key) != nullptr) log_warning("{}: '{}' is not used", root.path(), key);
  }
}

void read_model(const Section& root, const Section& model, WordPieceVocabulary& vocabulary) {
  const std::string prefix = model.text("continuing_subword_prefix", std::string(kContinuation));
  if (prefix != kContinuation) {
    root.fail_unsupported(model.name_of("continuing_subword_prefix"), prefix, "##");
  }
  const std::string unknown = model.text("unk_token", "[UNK]");
  if (unknown != "[UNK]") root.fail_unsupported(model.name_of("unk_token"), unknown, "[UNK]");
  if (const json* limit = model.find("max_input_chars_per_word")) {
    if (!limit->is_number_unsigned() || limit->get<uint64_t>() > 1'000'000) {
      root.fail_type(model.name_of("max_input_chars_per_word"), "a number from 0 to 1000000",
                     *limit);
    }
    vocabulary.max_word_chars = limit->get<int64_t>();
  }
}

// Special tokens that the file does not list are special all the same, and those that it lists
// behind its vocabulary belong to it. One that it lists in a gap of the vocabulary does not: to it
// `tokenizers` gives the id of another token.
void add_special_tokens(const std::string& where, WordPieceVocabulary& vocabulary) {
  std::vector<std::string>& tokens = vocabulary.tokens;
  for (const AddedToken& token : vocabulary.added) {
    if (std::ranges::find(kBertSpecialTokens, token.text) == kBertSpecialTokens.end()) continue;
    const auto i = static_cast<size_t>(token.id);
    if (i < tokens.size()) continue;
    tokens.resize(i + 1);
    tokens[i] = token.text;
  }
  for (AddedToken& special : make_special_tokens(where, vocabulary.tokens)) {
    const bool is_listed =
        std::any_of(vocabulary.added.begin(), vocabulary.added.end(),
                    [&](const AddedToken& token) { return token.id == special.id; });
    if (!is_listed) vocabulary.added.push_back(std::move(special));
  }
}

void check_no_gap(const std::string& where, const std::vector<std::string>& tokens) {
  const auto gap = std::find(tokens.begin(), tokens.end(), "");
  if (gap != tokens.end()) fail<DataError>("{}: no token has id {}", where, gap - tokens.begin());
}

Json tokenizer_head(const WordPieceVocabulary& vocabulary) {
  const BertNormalizerOptions& options = vocabulary.normalizer;
  Json special_tokens = Json::object();
  for (const AddedToken& token : make_special_tokens("WordPiece", vocabulary.tokens)) {
    if (token.text != "[CLS]" && token.text != "[SEP]") continue;
    special_tokens[token.text] = {{"id", token.text},
                                  {"ids", Json::array({token.id})},
                                  {"tokens", Json::array({token.text})}};
  }
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"added_tokens", added_tokens_json(vocabulary.added)},
          {"normalizer",
           {{"type", "BertNormalizer"},
            {"clean_text", options.clean_text},
            {"handle_chinese_chars", options.handle_chinese_chars},
            {"strip_accents", options.strip_accents ? Json(*options.strip_accents) : Json(nullptr)},
            {"lowercase", options.lowercase}}},
          {"pre_tokenizer", {{"type", "BertPreTokenizer"}}},
          {"post_processor", vocabulary.has_template ? Json{{"type", "TemplateProcessing"},
                                                            {"single", template_single()},
                                                            {"pair", template_pair()},
                                                            {"special_tokens", special_tokens}}
                                                     : Json(nullptr)},
          {"decoder",
           {{"type", "WordPiece"},
            {"prefix", kContinuation},
            {"cleanup", vocabulary.clean_up_decoded}}}};
}

std::string tokenizer_json(const WordPieceVocabulary& vocabulary) {
  std::string text = tokenizer_head(vocabulary).dump(2);
  text.resize(text.size() - 2);  // the model goes in before the closing "\n}"
  text += fmt::format(R"(,
  "model": {{
    "type": "WordPiece",
    "unk_token": "[UNK]",
    "continuing_subword_prefix": "{}",
    "max_input_chars_per_word": {},
    "vocab": {{)",
                      kContinuation, vocabulary.max_word_chars);
  text += vocab_lines(vocabulary.tokens, "      ");
  text += "\n    }\n  }\n}\n";
  return text;
}

std::string tokenizer_config_json(const WordPieceVocabulary& vocabulary) {
  const BertNormalizerOptions& options = vocabulary.normalizer;
  Json config = {
      // The class of BERT would put the template back.
      {"tokenizer_class",
       vocabulary.has_template ? "BertTokenizerFast" : "PreTrainedTokenizerFast"},
      {"do_lower_case", options.lowercase},
      {"strip_accents", options.strip_accents ? Json(*options.strip_accents) : Json(nullptr)},
      {"tokenize_chinese_chars", options.handle_chinese_chars},
      {"clean_up_tokenization_spaces", false}};
  put_roles(vocabulary.roles, vocabulary.tokens, vocabulary.added, config);
  return config.dump(2) + "\n";
}

}  // namespace

WordPieceVocabulary read_wordpiece_json(const fs::path& path, const json& file) {
  const Section root(path, "", file);
  const Section model(path, "model", root.need("model"));
  WordPieceVocabulary vocabulary;
  read_pipeline(root, vocabulary);
  read_model(root, model, vocabulary);
  TokenIds ids;
  read_tokens(root.path(), model.need("vocab"), vocabulary.tokens, ids);
  const TokenizerConfig config = read_tokenizer_config(path.parent_path());
  apply_options(config, root.path(), vocabulary.normalizer);
  vocabulary.has_template = vocabulary.has_template || config.is_bert();
  vocabulary.added = merge_added_tokens(root.path(), read_added_tokens(root, ids.size()), config,
                                        ids, vocabulary.tokens);
  vocabulary.roles = find_roles(config, ids, vocabulary.added);
  add_special_tokens(root.path(), vocabulary);
  check_no_gap(root.path(), vocabulary.tokens);
  return vocabulary;
}

WordPieceVocabulary read_vocab_txt(const fs::path& path) {
  WordPieceVocabulary vocabulary;
  std::unordered_map<std::string, size_t> lines;
  const MappedFile file(path);
  std::string_view rest = file.text();
  for (size_t number = 1; !rest.empty(); ++number) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    std::string token(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (token.ends_with('\r')) token.pop_back();
    const std::string where = fmt::format("{}:{}", path.string(), number);
    if (token.empty()) fail<DataError>("{}: expected a token, found an empty line", where);
    if (!is_valid_utf8(token)) fail<DataError>("{}: the token is not valid UTF-8", where);
    const auto [known, is_new] = lines.emplace(token, number);
    if (!is_new) fail<DataError>("{}: token '{}' is in line {} too", where, token, known->second);
    vocabulary.tokens.push_back(std::move(token));
  }
  TokenIds ids;
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id)
    ids.emplace(vocabulary.tokens[id], static_cast<TokenId>(id));
  const TokenizerConfig config = read_tokenizer_config(path.parent_path());
  BertNormalizerOptions& options = vocabulary.normalizer;
  options.lowercase = config.do_lower_case.value_or(true);
  options.handle_chinese_chars = config.tokenize_chinese_chars.value_or(true);
  options.strip_accents = config.strip_accents;
  vocabulary.added = merge_added_tokens(path.string(), {}, config, ids, vocabulary.tokens);
  vocabulary.roles = find_roles(config, ids, vocabulary.added);
  add_special_tokens(path.string(), vocabulary);
  check_no_gap(path.string(), vocabulary.tokens);
  return vocabulary;
}

void write_tokenizer_files(const WordPieceVocabulary& vocabulary, const fs::path& dir) {
  std::string lines;
  for (const std::string& token : vocabulary.tokens)
    lines += token + "\n";
  write_file_atomic(dir / "vocab.txt", lines);
  write_file_atomic(dir / "tokenizer_config.json", tokenizer_config_json(vocabulary));
  write_file_atomic(dir / "tokenizer.json", tokenizer_json(vocabulary));
}

}  // namespace apollo
