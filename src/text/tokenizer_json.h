// Tokenizer files of Hugging Face and of the original GPT-2 and BERT. Reading is strict: whatever
// would change the ids and is not done here is an error that names it.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <variant>

#include "text/bpe_vocabulary.h"
#include "text/wordpiece_vocabulary.h"

namespace apollo {

// A tokenizer.json with model BPE and pre-tokenizer ByteLevel, or with model WordPiece and what
// stands around it in BERT. Throws DataError where it is damaged, contradicts itself or asks for
// something else.
std::variant<BpeVocabulary, WordPieceVocabulary> read_tokenizer_json(
    const std::filesystem::path& path);

// The same for one kind; `file` is the contents of `path`.
BpeVocabulary read_bpe_json(const std::filesystem::path& path, const nlohmann::json& file);
WordPieceVocabulary read_wordpiece_json(const std::filesystem::path& path,
                                        const nlohmann::json& file);

// vocab.json and merges.txt, or the original encoder.json and vocab.bpe. Special tokens are those
// of the tokenizer_config.json beside them, where there is one, else <|endoftext|>.
BpeVocabulary read_vocab_and_merges(const std::filesystem::path& vocab,
                                    const std::filesystem::path& merges);

// vocab.txt of BERT, one token a line. Case, accents and CJK as the tokenizer_config.json beside it
// says (do_lower_case, strip_accents, tokenize_chinese_chars), else lower case. Throws DataError
// with file:line where a line is empty, there already, or not UTF-8.
WordPieceVocabulary read_vocab_txt(const std::filesystem::path& path);

// tokenizer.json, tokenizer_config.json, and vocab.json and merges.txt or vocab.txt, each whole or
// not at all.
void write_tokenizer_files(const BpeVocabulary& vocabulary, const std::filesystem::path& dir);
void write_tokenizer_files(const WordPieceVocabulary& vocabulary, const std::filesystem::path& dir);

}  // namespace apollo
