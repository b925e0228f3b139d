#include "model/hf_tokenizer.h"

#include "base/error.h"
#include "base/file.h"
#include "base/json_lines.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kConfigFile = "tokenizer_config.json";

Json read_tokenizer_config(const fs::path& dir) {
  const fs::path path = dir / kConfigFile;
  if (!fs::exists(path)) return Json::object();
  Json config = read_json(path);
  if (!config.is_object()) fail<DataError>("{}: expected a JSON object", path.string());
  return config;
}

bool says(const Json& config, const char* key) {
  const auto found = config.find(key);
  return found != config.end() && !found->is_null();
}

}  // namespace

void state_max_length(const fs::path& dir, int64_t max_length) {
  if (!has_tokenizer(dir)) return;
  Json config = read_tokenizer_config(dir);
  const auto found = config.find("model_max_length");
  if (found != config.end() && found->is_number() &&
      found->get<double>() <= static_cast<double>(max_length)) {
    return;
  }
  config["model_max_length"] = max_length;
  write_file_atomic(dir / kConfigFile, config.dump(2) + "\n");
}

void save_hf_tokenizer(const Tokenizer& tokenizer, const fs::path& dir, int64_t max_length,
                       bool takes_segments) {
  tokenizer.save(dir);
  Json config = read_tokenizer_config(dir);
  config["model_max_length"] = max_length;
  if (!says(config, "pad_token") && says(config, "eos_token"))
    config["pad_token"] = config["eos_token"];
  config["model_input_names"] = takes_segments
                                    ? Json{"input_ids", "token_type_ids", "attention_mask"}
                                    : Json{"input_ids", "attention_mask"};
  write_file_atomic(dir / kConfigFile, config.dump(2) + "\n");
}

void put_before_texts(const fs::path& dir, const Tokenizer& tokenizer, TokenId token) {
  const std::string text = tokenizer.token_text(token);
  const Json special = {{"SpecialToken", {{"id", text}, {"type_id", 0}}}};
  const auto sequence = [](const char* name) {
    return Json{{"Sequence", {{"id", name}, {"type_id", 0}}}};
  };
  const Json processor = {
      {"type", "TemplateProcessing"},
      {"single", {special, sequence("A")}},
      {"pair", {special, sequence("A"), special, sequence("B")}},
      {"special_tokens", {{text, {{"id", text}, {"ids", {token}}, {"tokens", {text}}}}}}};
  // The file may hold a vocabulary of megabytes, so its text is changed without parsing the JSON.
  const fs::path path = dir / "tokenizer.json";
  std::string file = read_file(path);
  const std::string key = "\n  \"post_processor\": ";
  const size_t begin = file.find(key);
  const size_t end = file.find(",\n  \"decoder\": ", begin);
  if (begin == std::string::npos || end == std::string::npos) {
    fail<DataError>("{}: expected a post_processor before the decoder", path.string());
  }
  file.replace(begin + key.size(), end - begin - key.size(), processor.dump());
  write_file_atomic(path, file);
}

}  // namespace apollo
