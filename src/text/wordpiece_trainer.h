// Trains WordPiece vocabularies like the WordPieceTrainer of `tokenizers`: normalises and cuts as
// BERT does, counts words in a stream, then merges the most frequent pair of neighbouring pieces
// until the vocabulary is full. Counts are 64-bit. The result depends neither on the number of
// threads nor on the order of the pieces.
#pragma once

#include <cstdint>
#include <memory>

#include "text/tokenizer.h"
#include "text/word_counter.h"

namespace apollo {

struct WordPieceTrainerOptions {
  int64_t vocab_size = 8192;      // including the five special tokens
  int64_t min_frequency = 2;      // the least count of a pair to be merged
  int64_t alphabet_limit = 1000;  // the most frequent are kept; others lead to [UNK]
  int64_t num_threads = 0;        // 0: all cores
  bool lowercase = true;          // and strip accents
  bool show_progress = true;
};

// The order of ids is: [PAD] [UNK] [CLS] [SEP] [MASK], the characters by code point, the characters
// that continue a word ("##a") by code point, then the merges. `tokenizers` gives the "##a" tokens
// ids in random order, by which it breaks ties; ours is one of its possible results.
//
// `source` as for train_bpe(). Throws DataError if there is no text, if the text's characters alone
// exceed `vocab_size`, or if the text allows fewer tokens (it says how many).
std::unique_ptr<Tokenizer> train_wordpiece(const TextSource& source,
                                           const WordPieceTrainerOptions& options);

}  // namespace apollo
