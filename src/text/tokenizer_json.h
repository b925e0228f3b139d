// Tokenizer files of Hugging Face and of the original GPT-2. Reading is strict: whatever would
// change the ids and is not done here is an error that names it.
#pragma once

#include <filesystem>

#include "text/bpe_vocabulary.h"

namespace apollo {

// A tokenizer.json with model BPE and pre-tokenizer ByteLevel. Throws DataError where it is
// damaged, contradicts itself or asks for something else.
BpeVocabulary read_tokenizer_json(const std::filesystem::path& path);

// vocab.json and merges.txt, or the original encoder.json and vocab.bpe. Special tokens are those
// of the tokenizer_config.json beside them, where there is one, else <|endoftext|>.
BpeVocabulary read_vocab_and_merges(const std::filesystem::path& vocab,
                                    const std::filesystem::path& merges);

// tokenizer.json, tokenizer_config.json, vocab.json and merges.txt, each whole or not at all.
void write_tokenizer_files(const BpeVocabulary& vocabulary, const std::filesystem::path& dir);

}  // namespace apollo
