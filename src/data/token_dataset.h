// A stream of tokens on disk that can be read at any place. It reads three forms as they are:
//  * Apollo's folder: tokens.bin (little-endian uint16 or uint32) and dataset.json,
//  * nanoGPT's .bin: bare uint16, or uint32 if the vocabulary or the content says so,
//  * llm.c's .bin: 256 int32 of header (magic, version, count), then tokens: magic 20240520 and
//    version 1 with uint16 (GPT-2), magic 20240801 and version 7 with uint32 (Llama 3).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "text/tokenizer.h"

namespace apollo {

struct DatasetSource {
  std::string name;
  int64_t bytes = 0;
  std::string hash;
};

// Content of dataset.json.
struct DatasetInfo {
  int64_t format_version = 1;
  int64_t bytes_per_token = 2;
  int64_t num_tokens = 0;
  int64_t num_documents = 0;      // 0: unknown (.bin)
  int64_t text_bytes = 0;         // UTF-8 bytes that the tokens encode; 0: unknown (.bin)
  int64_t vocab_size = 0;         // 0: unknown (.bin)
  std::string tokenizer_hash;     // empty: unknown (.bin)
  std::string content_hash;       // of tokens.bin or the .bin file
  int64_t invalid_sequences = 0;  // of UTF-8, replaced by U+FFFD
  std::vector<DatasetSource> sources;
};

class TokenDataset {
 public:
  // Throws DataError if the dataset is missing, truncated, damaged or of unknown form. A tokens.bin
  // next to its dataset.json means the folder. `vocab_size` is the model's, if known: above 65,536,
  // bare tokens have 32 bits.
  static TokenDataset open(const std::filesystem::path& path, int64_t vocab_size = 0);

  // Throws DataError if tokens.bin does not have the hash in dataset.json. For a .bin file it
  // computes the hash. It reads a whole file only once for each state of it, as the folder `memory`
  // remembers (base/file_identity.h).
  void check_content(const std::filesystem::path& memory);

  // Like check_content(), but always reads everything. A .bin file has no hash to compare with.
  void verify() const;

  const DatasetInfo& info() const { return info_; }
  int64_t size() const { return info_.num_tokens; }
  // Copies tokens [begin, begin + out.size()) as int64. Thread-safe. Throws DataError out of range,
  // and Error if the file was cut short since it was opened.
  void copy(int64_t begin, std::span<int64_t> out) const;
  // Returns the largest token, reading all of them; -1 if there are none.
  int64_t max_token() const;

 private:
  TokenDataset(std::filesystem::path path, RandomAccessFile file, int64_t offset, DatasetInfo info,
               bool is_folder);

  void require_hash(const std::string& hash) const;
  template <class Token>
  void copy_as(int64_t begin, std::span<int64_t> out) const;

  std::filesystem::path path_;  // of the tokens
  RandomAccessFile file_;
  int64_t offset_;  // of the first token, in bytes
  DatasetInfo info_;
  bool is_folder_;
};

// Whether `path` is opened as a dataset: a .bin file, or a folder with dataset.json.
bool is_token_dataset(const std::filesystem::path& path);

// Writes dataset.json into the existing folder `dir`.
void write_dataset_info(const std::filesystem::path& dir, const DatasetInfo& info);

}  // namespace apollo
