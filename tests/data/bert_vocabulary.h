// A small WordPiece vocabulary for tests of masking: the five special tokens, 30 that start a word
// and 10 that continue one.
#pragma once

#include <fmt/format.h>

#include "config/run_config.h"
#include "text/wordpiece.h"

namespace apollo::bert_test {

constexpr TokenId kPad = 0;
constexpr TokenId kUnknown = 1;
constexpr TokenId kCls = 2;
constexpr TokenId kSep = 3;
constexpr TokenId kMask = 4;
constexpr TokenId kFirstWord = 5;
constexpr TokenId kFirstContinuation = 35;
constexpr TokenId kVocabSize = 45;

inline WordPiece make_tokenizer() {
  WordPieceVocabulary vocabulary;
  vocabulary.tokens.assign(kBertSpecialTokens.begin(), kBertSpecialTokens.end());
  for (TokenId id = kFirstWord; id < kFirstContinuation; id++)
    vocabulary.tokens.push_back(fmt::format("w{}", id));
  for (TokenId id = kFirstContinuation; id < kVocabSize; id++)
    vocabulary.tokens.push_back(fmt::format("##c{}", id));
  vocabulary.added = make_special_tokens("test", vocabulary.tokens);
  return WordPiece(std::move(vocabulary));
}

inline RunConfig make_config(int64_t context, double masked_fraction = 0.15) {
  RunConfig config;
  config.model.architecture = Architecture::kBert;
  config.model.context = context;
  config.data.masked_fraction = masked_fraction;
  return config;
}

}  // namespace apollo::bert_test
