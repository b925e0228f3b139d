// Everything that defines one WordPiece tokenizer, as plain data: what files hold and training
// makes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/bert_normalizer.h"
#include "text/token_roles.h"
#include "text/tokenizer.h"

namespace apollo {

// The prefix of a token that continues a word.
inline constexpr std::string_view kContinuation = "##";

// In the order in which they begin a vocabulary that is trained here for a masked model.
inline constexpr std::array<std::string_view, 5> kBertSpecialTokens = {"[PAD]", "[UNK]", "[CLS]",
                                                                       "[SEP]", "[MASK]"};

struct WordPieceVocabulary {
  std::vector<std::string> tokens;  // by id, none empty, no duplicates
  std::vector<AddedToken> added;    // each also in `tokens`, or with an id beyond it
  BertNormalizerOptions normalizer;
  int64_t max_word_chars = 100;  // a longer word is [UNK]
  bool clean_up_decoded = true;  // decode() writes no space before punctuation
  bool has_template = true;      // its files put [CLS] and [SEP] around a text
  TokenRoles roles;              // in addition to the five that every BERT has
};

// Returns the special tokens as added tokens, so that they are found in text, with ids from
// `tokens`. Throws DataError that names `where` and every missing one.
std::vector<AddedToken> make_special_tokens(const std::string& where,
                                            const std::vector<std::string>& tokens);

// Returns a hash that is equal for vocabularies that give equal ids.
std::string hash_vocabulary(const WordPieceVocabulary& vocabulary);

}  // namespace apollo
