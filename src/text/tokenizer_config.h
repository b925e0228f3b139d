// What stands beside a vocabulary and decides about ids too: tokenizer_config.json,
// special_tokens_map.json, added_tokens.json and the model type of config.json, read as
// AutoTokenizer of `transformers` (5.24) reads them.
//
// A folder may say one thing twice, in tokenizer.json and here. `transformers` believes
// tokenizer.json where the class is a general one (PreTrainedTokenizerFast); BertTokenizer,
// GPT2Tokenizer, RobertaTokenizer and Qwen2Tokenizer build the pipeline anew from their own
// arguments and take only vocabulary, merges and post-processor from tokenizer.json. So does this:
// a folder means one thing, and where its files differ, the log says which of them is believed.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "text/bpe_vocabulary.h"
#include "text/json_section.h"
#include "text/wordpiece_vocabulary.h"

namespace apollo {

struct TokenizerConfig {
  std::string path;             // of tokenizer_config.json, whether it is there or not
  std::string tokenizer_class;  // without "Fast"; "" where no file tells
  std::optional<bool> do_lower_case;
  std::optional<bool> strip_accents;
  std::optional<bool> tokenize_chinese_chars;
  std::optional<bool> add_prefix_space;
  bool add_bos_token = false;  // both count where there is no tokenizer.json
  bool add_eos_token = false;
  std::array<AddedToken, kTokenRoleNames.size()> roles;  // without ids; no text where not named
  std::vector<AddedToken> further;  // special tokens without a role of these, without ids
  std::vector<AddedToken> added;    // by id
  bool lists_added = false;         // "added_tokens_decoder" is there, which then is all of them

  // Whether `transformers` makes the pipeline of the class from these options.
  bool is_bert() const { return tokenizer_class == "BertTokenizer"; }
  bool is_gpt2() const { return tokenizer_class == "GPT2Tokenizer"; }
  bool is_qwen() const { return tokenizer_class == "Qwen2Tokenizer"; }
  bool is_roberta() const { return tokenizer_class == "RobertaTokenizer"; }
  bool names_any_role() const;
};

// Of the folder `dir`. Throws DataError where a file is damaged.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& dir);

// The added tokens of a folder: those of tokenizer.json (`listed`; empty where there is none),
// those of the files beside it, every token that has a role, and the further special ones. Ids as
// `tokenizers` gives them: that of the vocabulary, else the next one behind the vocabulary and the
// tokens before. The log says where a file names another id, and where a token that is named
// without an id is not in the vocabulary. Throws DataError where two tokens clash.
std::vector<AddedToken> merge_added_tokens(const std::string& path, std::vector<AddedToken> listed,
                                           const TokenizerConfig& config, const TokenIds& ids,
                                           const std::vector<std::string>& tokens);

// The ids of the roles that `config` names; `added` comes from merge_added_tokens().
TokenRoles find_roles(const TokenizerConfig& config, const TokenIds& ids,
                      const std::vector<AddedToken>& added);

// Puts the options into a vocabulary read from the tokenizer.json at `path`, with a word in the log
// where it says otherwise.
void apply_options(const TokenizerConfig& config, const std::string& path,
                   BertNormalizerOptions& options);
void apply_options(const TokenizerConfig& config, const std::string& path,
                   BpeVocabulary& vocabulary);

}  // namespace apollo
