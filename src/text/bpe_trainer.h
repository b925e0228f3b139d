// Trains byte-level BPE: cut text as GPT-2, Llama 3 or Qwen do, count words in a stream, merge the
// most frequent pair until the vocabulary is full. Counts are 64-bit; the result depends neither on
// the number of threads nor on the order of the pieces.
#pragma once

#include <cstdint>
#include <memory>

#include "text/byte_level_bpe.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer.h"
#include "text/word_counter.h"

namespace apollo {

struct BpeTrainerOptions {
  int64_t vocab_size = 8192;  // with the 256 bytes and the special tokens
  PreTokenizer pre_tokenizer = PreTokenizer::kGpt2;
  bool masked = false;        // for a masked model: with [CLS], [SEP], [PAD], [UNK] and [MASK]
  int64_t min_frequency = 2;  // of a pair, to be merged
  int64_t num_threads = 0;    // 0: all cores
  bool show_progress = true;
};

// The tokenizer before any merge: the special tokens, then the 256 bytes in the order of their
// characters (byte_level.h). The special token is <|endoftext|>, or for a masked model [PAD],
// [UNK], [CLS], [SEP] and [MASK] (kBertSpecialTokens), with [CLS] and [SEP] around a text and a
// [MASK] that takes the space before it along, as in ModernBERT. The rest is as the family of the
// pre-tokenizer has it: Qwen normalises to NFC and so does ModernBERT, Llama 3 takes a word that is
// a token as that token.
std::unique_ptr<ByteLevelBpe> make_untrained_bpe(const BpeTrainerOptions& options);

// The same with merges. Ids are those of `tokenizers`; of equally frequent pairs the one with the
// smaller ids is merged first.
//
// `source` is called from this thread. A piece must end where a pre-token ends whatever comes next:
// at the end of a document, or where may_cut() of the untrained tokenizer says. A few MiB a piece
// serve best. "<|endoftext|>" in the text is no word and ends one.
//
// Throws DataError where there is no text, or the text allows fewer tokens than `vocab_size`
// (naming how many).
std::unique_ptr<Tokenizer> train_bpe(const TextSource& source, const BpeTrainerOptions& options);

}  // namespace apollo
