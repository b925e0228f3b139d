#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/json_lines.h"
#include "text/bpe_pipeline.h"
#include "text/tokenizer_json.h"
#include "text/vocabulary_json.h"

namespace apollo {
namespace {

std::string merge_text(const BpeVocabulary& vocabulary, const Merge& merge) {
  return vocabulary.tokens[static_cast<size_t>(merge.left)] + " " +
         vocabulary.tokens[static_cast<size_t>(merge.right)];
}

// Merges are written as "a b", which every version of `tokenizers` reads; the tokens of byte-level
// BPE hold no spaces.
std::string tokenizer_json(const BpeVocabulary& vocabulary) {
  Json head = {{"version", "1.0"},
               {"truncation", nullptr},
               {"padding", nullptr},
               {"added_tokens", added_tokens_json(vocabulary.added)},
               {"normalizer", normalizer_json(vocabulary)},
               {"pre_tokenizer", pre_tokenizer_json(vocabulary)},
               {"post_processor", post_processor_json(vocabulary)},
               {"decoder", decoder_json()}};
  std::string text = head.dump(2);
  text.resize(text.size() - 2);  // the model goes in before the closing "\n}"
  const Json unknown = vocabulary.unknown
                           ? Json(vocabulary.tokens[static_cast<size_t>(*vocabulary.unknown)])
                           : Json(nullptr);
  text += fmt::format(R"(,
  "model": {{
    "type": "BPE",
    "dropout": null,
    "unk_token": {},
    "continuing_subword_prefix": null,
    "end_of_word_suffix": null,
    "fuse_unk": {},
    "byte_fallback": false,
    "ignore_merges": {},
    "vocab": {{)",
                      unknown.dump(), vocabulary.fuse_unknown, vocabulary.ignore_merges);
  text += vocab_lines(vocabulary.tokens, "      ");
  text += "\n    },\n    \"merges\": [";
  const char* separator = "\n      ";
  for (const Merge& merge : vocabulary.merges) {
    text += separator + quoted_json(merge_text(vocabulary, merge));
    separator = ",\n      ";
  }
  text += vocabulary.merges.empty() ? "]\n  }\n}\n" : "\n    ]\n  }\n}\n";
  return text;
}

std::string tokenizer_config_json(const BpeVocabulary& vocabulary) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"add_prefix_space", vocabulary.add_prefix_space},
                 {"clean_up_tokenization_spaces", false}};
  put_roles(vocabulary.roles, vocabulary.tokens, vocabulary.added, config);
  return config.dump(2) + "\n";
}

}  // namespace

void write_tokenizer_files(const BpeVocabulary& vocabulary, const std::filesystem::path& dir) {
  std::string merges = "#version: 0.2\n";
  for (const Merge& merge : vocabulary.merges)
    merges += merge_text(vocabulary, merge) + "\n";
  const std::string vocab = vocab_lines(vocabulary.tokens, "  ");
  write_file_atomic(dir / "vocab.json", fmt::format("{{{}\n}}\n", vocab));
  write_file_atomic(dir / "merges.txt", merges);
  write_file_atomic(dir / "tokenizer_config.json", tokenizer_config_json(vocabulary));
  write_file_atomic(dir / "tokenizer.json", tokenizer_json(vocabulary));
}

}  // namespace apollo
