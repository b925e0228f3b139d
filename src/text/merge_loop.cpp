#include "text/merge_loop.h"

#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/progress.h"
#include "base/stop_signal.h"

namespace apollo {

MergeLoop::MergeLoop(std::vector<std::string> base, int64_t min_frequency, std::string continuation)
    : min_frequency_(std::max<int64_t>(min_frequency, 1)),
      continuation_(std::move(continuation)),
      tokens_(std::move(base)) {
  for (size_t id = 0; id < tokens_.size(); ++id) {
    ids_.emplace(tokens_[id], static_cast<TokenId>(id));
  }
}

void MergeLoop::reserve(size_t num_words, size_t num_symbols) {
  words_.reserve(num_words);
  symbols_.reserve(num_symbols);
}

void MergeLoop::add_word(const std::vector<TokenId>& symbols, int64_t count) {
  words_.push_back({symbols_.size(), static_cast<uint32_t>(symbols.size()), count});
  symbols_.insert(symbols_.end(), symbols.begin(), symbols.end());
}

void MergeLoop::require(int64_t vocab_size) const {
  if (num_tokens() >= vocab_size) return;
  fail<DataError>(
      "the text allows {0} tokens, but vocab_size is {1}; hint: --vocab-size {0} or more text",
      num_tokens(), vocab_size);
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
  count_pairs();
  std::optional<Progress> progress;
  const int64_t num_base = num_tokens();
  const auto num_merges = static_cast<double>(vocab_size - num_base);
  if (show_progress) progress.emplace("merging pairs", num_merges, "merges");
  while (num_tokens() < vocab_size) {
    const std::optional<IdPair> pair = next_pair();
    if (!pair) break;
    const TokenId merged = token_of(*pair);
    merges_.push_back({left_of(*pair), right_of(*pair), merged});
    merge_in_words(*pair, merged);
    if (merges_.size() % 256 == 0) {
      throw_if_stopped();
      if (progress) progress->update(static_cast<double>(num_tokens() - num_base));
    }
  }
  if (progress) progress->update(static_cast<double>(num_tokens() - num_base));
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
  std::string text = tokens_[static_cast<size_t>(left_of(pair))];
  std::string_view right = tokens_[static_cast<size_t>(right_of(pair))];
  if (right.starts_with(continuation_)) right.remove_prefix(continuation_.size());
  text += right;
  const auto [found, is_new] = ids_.try_emplace(text, static_cast<TokenId>(tokens_.size()));
  if (is_new) tokens_.push_back(std::move(text));
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

}  // namespace apollo
