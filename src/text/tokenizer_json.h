// Tokenizer files of Hugging Face and of the original GPT-2 and BERT. Reading is strict: anything
// that would change the ids and is not supported is an error that names it.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <variant>

#include "text/bpe_vocabulary.h"
#include "text/wordpiece_vocabulary.h"

namespace apollo {

// Reads a tokenizer.json with model BPE and pre-tokenizer ByteLevel, or with model WordPiece and
// the parts that BERT has around it. Throws DataError if it is damaged, contradicts itself or asks
// for something else.
std::variant<BpeVocabulary, WordPieceVocabulary> read_tokenizer_json(
    const std::filesystem::path& path);

// The same for one kind; `file` is the contents of `path`.
BpeVocabulary read_bpe_json(const std::filesystem::path& path, const nlohmann::json& file);
WordPieceVocabulary read_wordpiece_json(const std::filesystem::path& path,
                                        const nlohmann::json& file);

// Reads vocab.json and merges.txt, or the original encoder.json and vocab.bpe. Special tokens come
// from the tokenizer_config.json beside them if there is one; otherwise there is only
// <|endoftext|>.
BpeVocabulary read_vocab_and_merges(const std::filesystem::path& vocab,
                                    const std::filesystem::path& merges);

// Reads vocab.txt of BERT, one token per line. Case, accents and CJK follow the
// tokenizer_config.json beside it (do_lower_case, strip_accents, tokenize_chinese_chars), or lower
// case without one. Throws DataError with file:line if a line is empty, a duplicate or not UTF-8.
WordPieceVocabulary read_vocab_txt(const std::filesystem::path& path);

// Writes tokenizer.json, tokenizer_config.json, and vocab.json and merges.txt or vocab.txt. Each
// file is written completely or not at all.
void write_tokenizer_files(const BpeVocabulary& vocabulary, const std::filesystem::path& dir);
void write_tokenizer_files(const WordPieceVocabulary& vocabulary, const std::filesystem::path& dir);

}  // namespace apollo
