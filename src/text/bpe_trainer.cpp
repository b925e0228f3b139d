#include "text/bpe_trainer.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "text/bpe_vocabulary.h"
#include "text/byte_level.h"
#include "text/byte_level_bpe.h"
#include "text/merge_loop.h"

namespace apollo {
namespace {

// The special token and the bytes in the order of their characters.
constexpr int64_t kNumBaseTokens = 257;

BpeVocabulary make_base_vocabulary() {
  BpeVocabulary base = make_bytes_vocabulary();
  std::sort(base.tokens.begin(), base.tokens.end() - 1);
  std::rotate(base.tokens.begin(), base.tokens.end() - 1, base.tokens.end());
  base.added.front().id = 0;
  base.roles = {};
  fill_roles(base);
  return base;
}

// UTF-8 sorts as its code points do, and code points are what `tokenizers` sorts by.
std::vector<TokenId> ids_by_byte(const BpeVocabulary& vocabulary) {
  std::vector<TokenId> ids(256);
  for (TokenId id = 1; id < kNumBaseTokens; ++id) {
    const std::string bytes = *chars_to_bytes(vocabulary.tokens[static_cast<size_t>(id)]);
    ids[static_cast<unsigned char>(bytes[0])] = id;
  }
  return ids;
}

// Symbols of the words: their bytes.
void add_words(WordTable words, const BpeVocabulary& base, MergeLoop& loop) {
  const std::vector<TokenId> byte_ids = ids_by_byte(base);
  size_t num_symbols = 0;
  for (size_t i = 0; i < words.size(); ++i)
    num_symbols += words.word(i).size();
  loop.reserve(words.size(), num_symbols);
  std::vector<TokenId> symbols;
  for (size_t i = 0; i < words.size(); ++i) {
    symbols.clear();
    for (const char c : words.word(i))
      symbols.push_back(byte_ids[static_cast<unsigned char>(c)]);
    loop.add_word(symbols, words.count(i));
  }
}

}  // namespace

std::unique_ptr<Tokenizer> train_bpe(const TextSource& source, const BpeTrainerOptions& options) {
  if (options.vocab_size < kNumBaseTokens) {
    fail<UsageError>("vocab_size must be at least {} (256 bytes and {}), got {}", kNumBaseTokens,
                     kEndOfText, options.vocab_size);
  }
  WordTable words = count_words(source, options.num_threads, options.show_progress);
  if (words.size() == 0) fail<DataError>("no text to train a tokenizer on: the files are empty");
  BpeVocabulary vocabulary = make_base_vocabulary();
  MergeLoop loop(vocabulary.tokens, options.min_frequency);
  add_words(std::move(words), vocabulary, loop);
  loop.run(options.vocab_size, options.show_progress);
  loop.require(options.vocab_size);
  vocabulary.tokens = loop.take_tokens();
  vocabulary.merges = loop.take_merges();
  return std::make_unique<ByteLevelBpe>(std::move(vocabulary));
}

}  // namespace apollo
