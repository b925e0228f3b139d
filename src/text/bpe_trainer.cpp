// The merge loop keeps, for every pair of neighbouring symbols, its count and the words that held
// it when it was last counted, and a queue of pairs by count. The queue is lazy: the counts in it
// are upper bounds, and a pair whose count has sunk goes back with the right one when it comes up.
// So a merge costs the words it touches and nothing else.
#include "text/bpe_trainer.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/progress.h"
#include "base/stop_signal.h"
#include "text/bpe_vocabulary.h"
#include "text/byte_level.h"
#include "text/byte_level_bpe.h"
#include "text/pair_map.h"

namespace apollo {
namespace {

// The special token and the bytes in the order of their characters.
constexpr int64_t kNumBaseTokens = 257;

BpeVocabulary make_base_vocabulary() {
  BpeVocabulary base = make_bytes_vocabulary();
  std::sort(base.tokens.begin(), base.tokens.end() - 1);
  std::rotate(base.tokens.begin(), base.tokens.end() - 1, base.tokens.end());
  base.added.front().id = 0;
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

class MergeLoop {
 public:
  MergeLoop(WordTable words, int64_t min_frequency);

  // Merges until the vocabulary has `vocab_size` tokens or no pair is frequent enough.
  void run(int64_t vocab_size, bool show_progress);
  BpeVocabulary take() { return std::move(vocabulary_); }
  int64_t num_tokens() const { return static_cast<int64_t>(vocabulary_.tokens.size()); }

 private:
  struct Word {
    uint64_t begin;   // in symbols_
    uint32_t length;  // shrinks with every merge
    int64_t count;
  };
  struct PairCount {
    int64_t count = 0;
    std::vector<uint32_t> words;  // some may hold the pair no longer
    bool is_touched = false;      // has grown in this merge
  };
  struct Candidate {
    int64_t count;
    IdPair pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  void split_words(WordTable words);
  void count_pairs();
  std::optional<IdPair> next_pair();
  TokenId token_of(IdPair pair);
  void merge_in_words(IdPair pair, TokenId merged);
  void merge_in_word(uint32_t word_index, IdPair pair, TokenId merged);
  void change_count(TokenId left, TokenId right, int64_t by, uint32_t word_index);
  void queue_touched();

  int64_t min_frequency_;
  BpeVocabulary vocabulary_ = make_base_vocabulary();
  std::unordered_map<std::string, TokenId> ids_;
  std::vector<TokenId> symbols_;
  std::vector<Word> words_;
  PairMap pair_index_;
  std::vector<PairCount> pairs_;
  std::vector<IdPair> touched_;
  std::priority_queue<Candidate> queue_;
};

MergeLoop::MergeLoop(WordTable words, int64_t min_frequency)
    : min_frequency_(std::max<int64_t>(min_frequency, 1)) {
  for (size_t id = 0; id < vocabulary_.tokens.size(); ++id) {
    ids_.emplace(vocabulary_.tokens[id], static_cast<TokenId>(id));
  }
  split_words(std::move(words));
  count_pairs();
}

void MergeLoop::split_words(WordTable words) {
  const std::vector<TokenId> byte_ids = ids_by_byte(vocabulary_);
  size_t num_symbols = 0;
  for (size_t i = 0; i < words.size(); ++i)
    num_symbols += words.word(i).size();
  symbols_.reserve(num_symbols);
  words_.reserve(words.size());
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words.word(i);
    words_.push_back({symbols_.size(), static_cast<uint32_t>(word.size()), words.count(i)});
    for (const char c : word)
      symbols_.push_back(byte_ids[static_cast<unsigned char>(c)]);
  }
}

void MergeLoop::count_pairs() {
  for (uint32_t w = 0; w < words_.size(); ++w) {
    const Word& word = words_[w];
    const TokenId* symbols = symbols_.data() + word.begin;
    for (uint32_t i = 0; i + 1 < word.length; ++i) {
      change_count(symbols[i], symbols[i + 1], word.count, w);
    }
  }
  queue_touched();
}

void MergeLoop::run(int64_t vocab_size, bool show_progress) {
  std::optional<Progress> progress;
  const auto num_merges = static_cast<double>(vocab_size - num_tokens());
  if (show_progress) progress.emplace("merging pairs", num_merges, "merges");
  while (num_tokens() < vocab_size) {
    const std::optional<IdPair> pair = next_pair();
    if (!pair) break;
    const TokenId merged = token_of(*pair);
    vocabulary_.merges.push_back({left_of(*pair), right_of(*pair), merged});
    merge_in_words(*pair, merged);
    if (vocabulary_.merges.size() % 256 == 0) {
      throw_if_stopped();
      if (progress) progress->update(static_cast<double>(num_tokens() - kNumBaseTokens));
    }
  }
  if (progress) progress->update(static_cast<double>(num_tokens() - kNumBaseTokens));
}

std::optional<IdPair> MergeLoop::next_pair() {
  while (!queue_.empty()) {
    const Candidate top = queue_.top();
    queue_.pop();
    const int64_t count = pairs_[*pair_index_.find(top.pair)].count;
    if (count == top.count) return top.pair;
    if (count >= min_frequency_) queue_.push({count, top.pair});
  }
  return std::nullopt;
}

// A new token, or an old one that spells the same: "ab" + "c" after "a" + "bc".
TokenId MergeLoop::token_of(IdPair pair) {
  auto& tokens = vocabulary_.tokens;
  std::string text =
      tokens[static_cast<size_t>(left_of(pair))] + tokens[static_cast<size_t>(right_of(pair))];
  const auto [found, is_new] = ids_.try_emplace(text, static_cast<TokenId>(tokens.size()));
  if (is_new) tokens.push_back(std::move(text));
  return found->second;
}

void MergeLoop::merge_in_words(IdPair pair, TokenId merged) {
  const size_t index = *pair_index_.find(pair);
  const std::vector<uint32_t> words = std::move(pairs_[index].words);
  for (const uint32_t w : words)
    merge_in_word(w, pair, merged);
  pairs_[index].count = 0;
  queue_touched();
}

void MergeLoop::merge_in_word(uint32_t word_index, IdPair pair, TokenId merged) {
  Word& word = words_[word_index];
  TokenId* symbols = symbols_.data() + word.begin;
  const TokenId left = left_of(pair);
  const TokenId right = right_of(pair);
  uint32_t kept = 0;
  for (uint32_t i = 0; i < word.length;) {
    if (symbols[i] != left || i + 1 == word.length || symbols[i + 1] != right) {
      symbols[kept++] = symbols[i++];
      continue;
    }
    if (kept > 0) {
      change_count(symbols[kept - 1], left, -word.count, word_index);
      change_count(symbols[kept - 1], merged, word.count, word_index);
    }
    if (i + 2 < word.length) {
      change_count(right, symbols[i + 2], -word.count, word_index);
      change_count(merged, symbols[i + 2], word.count, word_index);
    }
    symbols[kept++] = merged;
    i += 2;
  }
  word.length = kept;
}

void MergeLoop::change_count(TokenId left, TokenId right, int64_t by, uint32_t word_index) {
  const IdPair key = make_pair_key(left, right);
  const uint64_t index = pair_index_.find_or_insert(key, pairs_.size());
  if (index == pairs_.size()) pairs_.emplace_back();
  PairCount& pair = pairs_[index];
  pair.count += by;
  if (by < 0) return;
  if (pair.words.empty() || pair.words.back() != word_index) pair.words.push_back(word_index);
  if (!pair.is_touched) touched_.push_back(key);
  pair.is_touched = true;
}

void MergeLoop::queue_touched() {
  for (const IdPair key : touched_) {
    PairCount& pair = pairs_[*pair_index_.find(key)];
    pair.is_touched = false;
    if (pair.count >= min_frequency_) queue_.push({pair.count, key});
  }
  touched_.clear();
}

}  // namespace

std::unique_ptr<Tokenizer> train_bpe(const TextSource& source, const BpeTrainerOptions& options) {
  if (options.vocab_size < kNumBaseTokens) {
    fail<UsageError>("vocab_size must be at least {} (256 bytes and {}), got {}", kNumBaseTokens,
                     kEndOfText, options.vocab_size);
  }
  WordTable words = count_words(source, options.num_threads, options.show_progress);
  if (words.size() == 0) fail<DataError>("no text to train a tokenizer on: the files are empty");
  MergeLoop loop(std::move(words), options.min_frequency);
  loop.run(options.vocab_size, options.show_progress);
  if (loop.num_tokens() < options.vocab_size) {
    fail<DataError>(
        "the text allows {0} tokens, but vocab_size is {1}; hint: --vocab-size {0} or more text",
        loop.num_tokens(), options.vocab_size);
  }
  return std::make_unique<ByteLevelBpe>(loop.take());
}

}  // namespace apollo
