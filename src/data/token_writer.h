// Writes a dataset folder in a stream: first tokens.bin piece by piece, then dataset.json.
#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/hash.h"
#include "data/token_dataset.h"
#include "text/tokenizer.h"

namespace apollo {

class TokenWriter {
 public:
  // Writes into the existing folder `dir`, as uint16 if `vocab_size` allows it, else as uint32.
  TokenWriter(std::filesystem::path dir, int64_t vocab_size);

  // Throws Error if the disk is full, and DataError for ids outside the vocabulary.
  void append(std::span<const TokenId> ids);
  int64_t num_tokens() const { return num_tokens_; }
  // Ends tokens.bin and writes dataset.json: `info` with the form, count and hash of the tokens.
  DatasetInfo finish(DatasetInfo info);

 private:
  template <class Token>
  void append_as(std::span<const TokenId> ids);
  void write(std::span<const char> bytes);

  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::filesystem::path dir_;
  std::filesystem::path path_;
  int64_t vocab_size_;
  int64_t num_tokens_ = 0;
  std::unique_ptr<std::FILE, Close> file_;
  StreamHash hash_;
};

}  // namespace apollo
