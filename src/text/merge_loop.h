// The central loop of training BPE and WordPiece vocabularies: merges the most frequent pair of
// neighbouring symbols, again and again. Of equally frequent pairs the one with the smaller ids is
// merged first, as in `tokenizers`.
//
// For every pair of neighbouring symbols it keeps the count and the words that contained the pair
// when it was last counted, and a queue of pairs by count. The queue is lazy: its counts are upper
// bounds, and a pair whose count has fallen goes back with the right one when it comes up. So a
// merge only costs time for the words that it touches.
#pragma once

#include <cstdint>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "text/merge_table.h"
#include "text/pair_map.h"
#include "text/tokenizer.h"

namespace apollo {

class MergeLoop {
 public:
  // `base`: the tokens before the first merge, by id. A merged token is its left part followed by
  // its right part without `continuation` ("##" in WordPiece; "": the whole right part).
  MergeLoop(std::vector<std::string> base, int64_t min_frequency, std::string continuation = "");

  // All words must be added before run().
  void reserve(size_t num_words, size_t num_symbols);
  void add_word(const std::vector<TokenId>& symbols, int64_t count);

  // Merges until the vocabulary has `vocab_size` tokens or no pair is frequent enough.
  void run(int64_t vocab_size, bool show_progress);

  // Throws DataError if there are fewer tokens than `vocab_size`.
  void require(int64_t vocab_size) const;

  int64_t num_tokens() const { return static_cast<int64_t>(tokens_.size()); }
  std::vector<std::string> take_tokens() { return std::move(tokens_); }
  std::vector<Merge> take_merges() { return std::move(merges_); }

 private:
  struct Word {
    uint64_t begin;   // in symbols_
    uint32_t length;  // shrinks with every merge
    int64_t count;
  };
  struct PairCount {
    int64_t count = 0;
    std::vector<uint32_t> words;  // some may no longer contain the pair
    bool is_touched = false;      // it grew in this merge
  };
  struct Candidate {
    int64_t count;
    IdPair pair;
    bool operator<(const Candidate& other) const {
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  void count_pairs();
  std::optional<IdPair> next_pair();
  TokenId token_of(IdPair pair);
  void merge_in_words(IdPair pair, TokenId merged);
  void merge_in_word(uint32_t word_index, IdPair pair, TokenId merged);
  void change_count(TokenId left, TokenId right, int64_t by, uint32_t word_index);
  void queue_touched();

  int64_t min_frequency_;
  std::string continuation_;
  std::vector<std::string> tokens_;
  std::vector<Merge> merges_;
  std::unordered_map<std::string, TokenId> ids_;
  std::vector<TokenId> symbols_;
  std::vector<Word> words_;
  PairMap pair_index_;
  std::vector<PairCount> pairs_;
  std::vector<IdPair> touched_;
  std::priority_queue<Candidate> queue_;
};

}  // namespace apollo
