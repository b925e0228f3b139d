#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "text/bpe_pipeline.h"
#include "text/json_section.h"
#include "text/tokenizer_config.h"
#include "text/tokenizer_json.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;
using json = nlohmann::json;

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

void check_model(const Section& root, const Section& model) {
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    const std::string value = model.text(key, "");
    if (!value.empty()) root.fail_unsupported(model.name_of(key), value, "none");
  }
  if (model.flag("byte_fallback", false)) {
    root.fail_unsupported(model.name_of("byte_fallback"), "true (of SentencePiece)", "false");
  }
  const json* dropout = model.find("dropout");
  if (dropout != nullptr && *dropout != 0.0) {
    root.fail_unsupported(model.name_of("dropout"), dropout->dump(), "none");
  }
}

}  // namespace

std::variant<BpeVocabulary, WordPieceVocabulary> read_tokenizer_json(const fs::path& path) {
  const json file = parse_json_file(path);
  const Section root(path, "", file);
  const Section model(path, "model", root.need("model"));
  // Files of old versions name no type; only BPE has merges.
  const std::string fallback =
      model.find("merges") == nullptr && model.find("max_input_chars_per_word") != nullptr
          ? "WordPiece"
          : "BPE";
  const std::string type = model.text("type", fallback);
  if (type == "BPE") return read_bpe_json(path, file);
  if (type == "WordPiece") return read_wordpiece_json(path, file);
  root.fail_unsupported("model type", type == "Unigram" ? "Unigram (of SentencePiece)" : type,
                        "BPE or WordPiece");
}

BpeVocabulary read_bpe_json(const fs::path& path, const json& file) {
  const Section root(path, "", file);
  const Section model(path, "model", root.need("model"));
  check_model(root, model);

  BpeVocabulary vocabulary;
  read_bpe_pipeline(root, vocabulary);
  vocabulary.ignore_merges = model.flag("ignore_merges", false);
  vocabulary.fuse_unknown = model.flag("fuse_unk", false);
  TokenIds ids;
  read_tokens(root.path(), model.need("vocab"), vocabulary.tokens, ids);
  vocabulary.merges = read_merges(root.path(), model.need("merges"), ids);
  const TokenizerConfig config = read_tokenizer_config(path.parent_path());
  apply_options(config, root.path(), vocabulary);
  vocabulary.added = merge_added_tokens(root.path(), read_added_tokens(root, ids.size()), config,
                                        ids, vocabulary.tokens);
  vocabulary.roles = find_roles(config, ids, vocabulary.added);
  vocabulary.around = read_tokens_around(root, ids, vocabulary);
  if (config.is_roberta()) vocabulary.around = {{*vocabulary.roles.cls}, vocabulary.roles.sep};
  if (!config.names_any_role()) fill_roles_from_around(vocabulary);
  fill_roles(vocabulary);
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
  read_tokens(vocab_path.string(), parse_json_file(vocab_path), vocabulary.tokens, ids);

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

  const TokenizerConfig config = read_tokenizer_config(vocab_path.parent_path());
  vocabulary.add_prefix_space = config.add_prefix_space.value_or(false);
  if (config.is_qwen()) {
    vocabulary.nfc = true;
    vocabulary.pre_tokenizer = PreTokenizer::kQwen;
  }
  vocabulary.added = merge_added_tokens(vocab_path.string(), {}, config, ids, vocabulary.tokens);
  vocabulary.roles = find_roles(config, ids, vocabulary.added);
  fill_roles(vocabulary);
  const TokenRoles& roles = vocabulary.roles;
  if (config.is_roberta()) {
    vocabulary.around = {{*roles.cls}, roles.sep};
  } else {
    if (config.add_bos_token && roles.bos) vocabulary.around.before = {*roles.bos};
    if (config.add_eos_token) vocabulary.around.after = roles.eos;
  }
  return vocabulary;
}

}  // namespace apollo
