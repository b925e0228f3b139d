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
#include "text/normal_forms.h"
#include "text/wordpiece_vocabulary.h"

namespace apollo {
namespace {

constexpr int64_t kNumBytes = 256;

std::vector<AddedToken> special_tokens(const BpeTrainerOptions& options) {
  std::vector<std::string_view> names = {kEndOfText};
  if (options.masked) names.assign(kBertSpecialTokens.begin(), kBertSpecialTokens.end());
  std::vector<AddedToken> special;
  for (const std::string_view name : names) {
    AddedToken token;
    token.id = static_cast<TokenId>(special.size());
    token.text = name;
    token.special = true;
    token.lstrip = name == "[MASK]";
    special.push_back(std::move(token));
  }
  return special;
}

void set_masked_roles(BpeVocabulary& vocabulary) {
  const auto id_of = [&](std::string_view name) {
    return std::find_if(vocabulary.added.begin(), vocabulary.added.end(),
                        [&](const AddedToken& token) { return token.text == name; })
        ->id;
  };
  TokenRoles& roles = vocabulary.roles;
  roles.pad = id_of("[PAD]");
  roles.unk = id_of("[UNK]");
  roles.cls = id_of("[CLS]");
  roles.sep = id_of("[SEP]");
  roles.mask = id_of("[MASK]");
  vocabulary.around = {{*roles.cls}, *roles.sep};
}

BpeVocabulary make_base_vocabulary(const BpeTrainerOptions& options) {
  BpeVocabulary base;
  base.added = special_tokens(options);
  for (const AddedToken& token : base.added)
    base.tokens.push_back(token.text);
  std::vector<std::string> bytes = make_bytes_vocabulary().tokens;
  bytes.pop_back();  // <|endoftext|>
  // UTF-8 sorts as its code points do, and code points are what `tokenizers` sorts by.
  std::sort(bytes.begin(), bytes.end());
  base.tokens.insert(base.tokens.end(), bytes.begin(), bytes.end());
  if (options.masked) set_masked_roles(base);
  fill_roles(base);
  base.pre_tokenizer = options.pre_tokenizer;
  base.nfc = options.masked || options.pre_tokenizer == PreTokenizer::kQwen;
  base.ignore_merges = options.pre_tokenizer == PreTokenizer::kLlama3;
  return base;
}

std::vector<TokenId> ids_by_byte(const BpeVocabulary& vocabulary) {
  std::vector<TokenId> ids(kNumBytes);
  for (size_t i = vocabulary.added.size(); i < vocabulary.tokens.size(); ++i) {
    const std::string bytes = *chars_to_bytes(vocabulary.tokens[i]);
    ids[static_cast<unsigned char>(bytes[0])] = static_cast<TokenId>(i);
  }
  return ids;
}

WordSplitter word_splitter(const BpeVocabulary& vocabulary) {
  return [kind = vocabulary.pre_tokenizer, nfc = vocabulary.nfc](std::string_view stretch,
                                                                 WordTable& words) {
    std::string storage;
    if (nfc) stretch = as_nfc(stretch, storage);
    while (!stretch.empty()) {
      const size_t length = pre_token_length(kind, stretch);
      words.add(stretch.substr(0, length), 1);
      stretch.remove_prefix(length);
    }
  };
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

std::unique_ptr<ByteLevelBpe> make_untrained_bpe(const BpeTrainerOptions& options) {
  return std::make_unique<ByteLevelBpe>(make_base_vocabulary(options));
}

std::unique_ptr<Tokenizer> train_bpe(const TextSource& source, const BpeTrainerOptions& options) {
  BpeVocabulary vocabulary = make_base_vocabulary(options);
  const auto num_base = static_cast<int64_t>(vocabulary.tokens.size());
  if (options.vocab_size < num_base) {
    fail<UsageError>("vocab_size must be at least {} (256 bytes and {}), got {}", num_base,
                     options.masked ? "5 special tokens" : kEndOfText, options.vocab_size);
  }
  WordTable words =
      count_words(source, options.num_threads, options.show_progress, word_splitter(vocabulary));
  if (words.size() == 0) fail<DataError>("no text to train a tokenizer on: the files are empty");
  MergeLoop loop(vocabulary.tokens, options.min_frequency);
  add_words(std::move(words), vocabulary, loop);
  loop.run(options.vocab_size, options.show_progress);
  loop.require(options.vocab_size);
  vocabulary.tokens = loop.take_tokens();
  vocabulary.merges = loop.take_merges();
  return std::make_unique<ByteLevelBpe>(std::move(vocabulary));
}

}  // namespace apollo
