// The files beside a vocabulary that also determine ids: tokenizer_config.json,
// special_tokens_map.json, added_tokens.json and the model type of config.json. They are read as
// AutoTokenizer of `transformers` (5.24) reads them.
//
// A folder may state the same thing twice, in tokenizer.json and here. `transformers` follows
// tokenizer.json if the class is a general one (PreTrainedTokenizerFast). BertTokenizer,
// GPT2Tokenizer, RobertaTokenizer and Qwen2Tokenizer build the pipeline from their own arguments,
// and take only vocabulary, merges and post-processor from tokenizer.json. This code does the same,
// so a folder has one meaning; if its files differ, the log says which one is followed.
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
  std::string path;             // of tokenizer_config.json, even if it does not exist
  std::string tokenizer_class;  // without "Fast"; "" if no file names it
  std::optional<bool> do_lower_case;
  std::optional<bool> strip_accents;
  std::optional<bool> tokenize_chinese_chars;
  std::optional<bool> add_prefix_space;
  bool add_bos_token = false;  // both count only if there is no tokenizer.json
  bool add_eos_token = false;
  std::array<AddedToken, kTokenRoleNames.size()> roles;   // without ids; no text if not named
  std::array<bool, kTokenRoleNames.size()> is_null = {};  // roles that no token has, by a null
  std::vector<AddedToken> further;  // special tokens that have none of these roles, without ids
  std::vector<AddedToken> added;    // by id
  bool lists_added = false;         // "added_tokens_decoder" exists and so lists all of them

  // Whether `transformers` makes the pipeline of the class from these options.
  bool is_bert() const { return tokenizer_class == "BertTokenizer"; }
  bool is_gpt2() const { return tokenizer_class == "GPT2Tokenizer"; }
  bool is_qwen() const { return tokenizer_class == "Qwen2Tokenizer"; }
  bool is_roberta() const { return tokenizer_class == "RobertaTokenizer"; }
  bool names_any_role() const;
};

// Reads the files of the folder `dir`. Throws DataError if one is damaged.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& dir);

// Returns the added tokens of a folder: those of tokenizer.json (`listed`; empty if there is none),
// those of the files beside it, every token that has a role, and the further special ones. Ids are
// assigned as in `tokenizers`: that of the vocabulary, else the next one after the vocabulary and
// the tokens before. The log says so if a file names another id, or if a token that is named
// without an id is not in the vocabulary. Throws DataError if two tokens clash.
std::vector<AddedToken> merge_added_tokens(const std::string& path, std::vector<AddedToken> listed,
                                           const TokenizerConfig& config, const TokenIds& ids,
                                           const std::vector<std::string>& tokens);

// Returns the ids of the roles that `config` names; `added` comes from merge_added_tokens().
TokenRoles find_roles(const TokenizerConfig& config, const TokenIds& ids,
                      const std::vector<AddedToken>& added);

// Applies the options to a vocabulary read from the tokenizer.json at `path`, and logs if they
// differ from it.
void apply_options(const TokenizerConfig& config, const std::string& path,
                   BertNormalizerOptions& options);
void apply_options(const TokenizerConfig& config, const std::string& path,
                   BpeVocabulary& vocabulary);

}  // namespace apollo
