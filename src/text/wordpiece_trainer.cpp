#include "text/wordpiece_trainer.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/stop_signal.h"
#include "text/bert_normalizer.h"
#include "text/merge_loop.h"
#include "text/utf8.h"
#include "text/wordpiece.h"

namespace apollo {
namespace {

// Counted as they stand, so that each is normalised once and not every time it comes.
void add_chunks(std::string_view stretch, WordTable& words) {
  for (std::string_view chunk = next_bert_chunk(stretch); !chunk.empty();
       chunk = next_bert_chunk(stretch)) {
    words.add(chunk, 1);
  }
}

WordTable words_of_chunks(WordTable chunks, const BertNormalizerOptions& options) {
  WordTable words;
  std::string normalized;
  for (size_t i = 0; i < chunks.size(); ++i) {
    if (i % 4096 == 0) throw_if_stopped();
    normalized.clear();
    normalize_bert(chunks.word(i), options, normalized);
    std::string_view rest = normalized;
    for (std::string_view word = next_bert_word(rest); !word.empty(); word = next_bert_word(rest)) {
      words.add(word, chunks.count(i));
    }
  }
  return words;
}

template <class Visit>
void for_each_char(std::string_view word, Visit visit) {
  for (size_t at = 0; at < word.size();) {
    const Utf8Sequence next = next_utf8(word.substr(at));
    visit(next.code_point, /*is_first=*/at == 0);
    at += static_cast<size_t>(next.length);
  }
}

// The `limit` most frequent characters, by code point; of equally frequent ones the smaller.
std::set<char32_t> find_alphabet(const WordTable& words, int64_t limit) {
  std::map<char32_t, int64_t> counts;
  for (size_t i = 0; i < words.size(); ++i) {
    for_each_char(words.word(i), [&](char32_t c, bool) { counts[c] += words.count(i); });
  }
  std::vector<std::pair<int64_t, char32_t>> by_count;
  for (const auto& [c, count] : counts)
    by_count.emplace_back(-count, c);
  std::sort(by_count.begin(), by_count.end());
  std::set<char32_t> alphabet;
  for (const auto& [count, c] : by_count) {
    if (static_cast<int64_t>(alphabet.size()) < limit) alphabet.insert(c);
  }
  return alphabet;
}

// Tokens before the first merge, and the ids of the characters among them.
struct BaseTokens {
  std::vector<std::string> tokens;
  std::map<char32_t, TokenId> first;
  std::map<char32_t, TokenId> next;
};

BaseTokens make_base_tokens(const WordTable& words, int64_t alphabet_limit) {
  BaseTokens base;
  base.tokens.assign(kBertSpecialTokens.begin(), kBertSpecialTokens.end());
  const std::set<char32_t> alphabet = find_alphabet(words, alphabet_limit);
  std::set<char32_t> going_on;
  for (size_t i = 0; i < words.size(); ++i) {
    for_each_char(words.word(i), [&](char32_t c, bool is_first) {
      if (!is_first && alphabet.contains(c)) going_on.insert(c);
    });
  }
  const auto add = [&](char32_t c, std::string token, std::map<char32_t, TokenId>& ids) {
    append_utf8(c, token);
    ids[c] = static_cast<TokenId>(base.tokens.size());
    base.tokens.push_back(std::move(token));
  };
  for (const char32_t c : alphabet)
    add(c, "", base.first);
  for (const char32_t c : going_on)
    add(c, std::string(kContinuation), base.next);
  return base;
}

// Characters outside the alphabet drop out of their words, as in `tokenizers`.
void add_words(WordTable words, const BaseTokens& base, MergeLoop& loop) {
  std::vector<TokenId> symbols;
  for (size_t i = 0; i < words.size(); ++i) {
    symbols.clear();
    for_each_char(words.word(i), [&](char32_t c, bool is_first) {
      const auto& ids = is_first ? base.first : base.next;
      const auto found = ids.find(c);
      if (found != ids.end()) symbols.push_back(found->second);
    });
    loop.add_word(symbols, words.count(i));
  }
}

}  // namespace

std::unique_ptr<Tokenizer> train_wordpiece(const TextSource& source,
                                           const WordPieceTrainerOptions& options) {
  WordPieceVocabulary vocabulary;
  vocabulary.normalizer.lowercase = options.lowercase;
  WordTable words =
      words_of_chunks(count_words(source, options.num_threads, options.show_progress, add_chunks),
                      vocabulary.normalizer);
  if (words.size() == 0) fail<DataError>("no text to train a tokenizer on: the files are empty");
  BaseTokens base = make_base_tokens(words, options.alphabet_limit);
  const auto num_base = static_cast<int64_t>(base.tokens.size());
  if (num_base > options.vocab_size) {
    fail<DataError>(
        "the text's characters and the special tokens are {0} tokens, but vocab_size is {1}; hint: "
        "--vocab-size {0} or more",
        num_base, options.vocab_size);
  }
  MergeLoop loop(base.tokens, options.min_frequency, std::string(kContinuation));
  add_words(std::move(words), base, loop);
  loop.run(options.vocab_size, options.show_progress);
  loop.require(options.vocab_size);
  vocabulary.tokens = loop.take_tokens();
  vocabulary.added = make_special_tokens("trained vocabulary", vocabulary.tokens);
  return std::make_unique<WordPiece>(std::move(vocabulary));
}

}  // namespace apollo
