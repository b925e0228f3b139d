// Trains byte-level BPE: cuts text as GPT-2, Llama 3 or Qwen do, counts words in a stream, and
// merges the most frequent pair until the vocabulary is full. Counts are 64-bit. The result depends
// neither on the number of threads nor on the order of the pieces.
#pragma once

#include <cstdint>
#include <memory>

#include "text/byte_level_bpe.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"
#include "text/word_counter.h"

namespace apollo {

struct BpeTrainerOptions {
  int64_t vocab_size = 8192;  // including the 256 bytes and the special tokens
  PreTokenizer pre_tokenizer = PreTokenizer::kGpt2;
  bool masked = false;        // for a masked model: adds [CLS], [SEP], [PAD], [UNK] and [MASK]
  int64_t min_frequency = 2;  // the least count of a pair to be merged
  int64_t num_threads = 0;    // 0: all cores
  bool show_progress = true;
};

// Returns the tokenizer before any merge: the special tokens, then the 256 bytes in the order of
// their characters (byte_level.h). The special token is <|endoftext|>, or for a masked model [PAD],
// [UNK], [CLS], [SEP] and [MASK] (kBertSpecialTokens). Then [CLS] and [SEP] surround a text, and
// [MASK] includes the space before it, as in ModernBERT. The rest follows the family of the
// pre-tokenizer: Qwen and ModernBERT normalise to NFC, and Llama 3 keeps a word that is a token as
// that token.
std::unique_ptr<ByteLevelBpe> make_untrained_bpe(const BpeTrainerOptions& options);

// Returns the trained tokenizer. Ids are those of `tokenizers`; of equally frequent pairs the one
// with the smaller ids is merged first.
//
// `source` is called from this thread. A piece must end where a pre-token ends whatever follows: at
// the end of a document, or where may_cut() of the untrained tokenizer allows it. Pieces of a few
// MiB are best. "<|endoftext|>" in the text is not a word, but ends one.
//
// Throws DataError if there is no text, or if the text allows fewer tokens than `vocab_size` (it
// says how many).
std::unique_ptr<Tokenizer> train_bpe(const TextSource& source, const BpeTrainerOptions& options);

}  // namespace apollo
