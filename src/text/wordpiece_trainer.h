// Trains WordPiece vocabularies as the WordPieceTrainer of `tokenizers` does: normalise and cut as
// BERT, count words in a stream, then merge the most frequent pair of neighbouring pieces until the
// vocabulary is full. Counts are 64-bit; the result depends neither on the number of threads nor on
// the order of the pieces.
#pragma once

#include <cstdint>
#include <memory>

#include "text/tokenizer.h"
#include "text/word_counter.h"

namespace apollo {

struct WordPieceTrainerOptions {
  int64_t vocab_size = 8192;      // with the five special tokens
  int64_t min_frequency = 2;      // of a pair, to be merged
  int64_t alphabet_limit = 1000;  // characters kept, the most frequent; others lead to [UNK]
  int64_t num_threads = 0;        // 0: all cores
  bool lowercase = true;          // and strip accents
  bool show_progress = true;
};

// Ids: [PAD] [UNK] [CLS] [SEP] [MASK], the characters by code point, the characters that go on in a
// word ("##a") by code point, then the merges. `tokenizers` gives "##a" and its like their ids in
// random order, by which it breaks ties; ours is one of its results.
//
// `source` as for train_bpe(). Throws DataError where there is no text, the text's characters alone
// fill more than `vocab_size`, or the text allows fewer tokens (naming how many).
std::unique_ptr<Tokenizer> train_wordpiece(const TextSource& source,
                                           const WordPieceTrainerOptions& options);

}  // namespace apollo
