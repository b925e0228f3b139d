// Sets a share of the documents apart for validation while the text streams by.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "data/encode_pipeline.h"
#include "data/token_dataset.h"
#include "data/token_writer.h"

namespace apollo {

// What a dataset folder gathers while its tokens are written.
struct DatasetPart {
  DatasetPart(const std::filesystem::path& dir, int64_t vocab_size) : writer(dir, vocab_size) {}

  void add(std::span<const TokenId> ids, int64_t num_text_bytes, int64_t num_invalid) {
    writer.append(ids);
    text_bytes += num_text_bytes;
    invalid_sequences += num_invalid;
  }
  DatasetInfo finish(DatasetInfo info) {
    info.num_documents = num_documents;
    info.text_bytes = text_bytes;
    info.invalid_sequences = invalid_sequences;
    return writer.finish(std::move(info));
  }

  TokenWriter writer;
  int64_t num_documents = 0;
  int64_t text_bytes = 0;
  int64_t invalid_sequences = 0;
};

// Each document goes to validation with probability `valid_fraction`, decided by its number alone.
// Of fewer than 100 documents that could be far from the share asked for, so there the tokens at
// the end become validation. Which of the two holds is known after the first 100; they wait in a
// scratch dataset, later ones go straight to their part.
class DocumentSplit {
 public:
  // Writes into the existing folders `train_dir` and `valid_dir`.
  DocumentSplit(const std::filesystem::path& train_dir, const std::filesystem::path& valid_dir,
                const Tokenizer& tokenizer, double valid_fraction);

  void add(const EncodedPiece& piece);
  // Writes both dataset.json: `info` with the counts of each part. Throws DataError where one of
  // them is empty.
  void finish(const DatasetInfo& info);

 private:
  struct Document {
    int64_t num_tokens = 0;
    int64_t text_bytes = 0;
    int64_t invalid_sequences = 0;
  };

  DatasetPart& part_of(int64_t document);
  void add_to_scratch(const EncodedPiece& piece);
  TokenDataset open_scratch();
  void split_documents(const TokenDataset& scratch);
  void split_tail(const TokenDataset& scratch);
  int64_t count_text_bytes(const TokenDataset& dataset, int64_t begin) const;
  void check_not_empty(const DatasetPart& part, std::string_view name) const;

  std::filesystem::path scratch_dir_;
  const Tokenizer& tokenizer_;
  double valid_fraction_;
  DatasetPart train_;
  DatasetPart valid_;
  std::optional<TokenWriter> scratch_;
  std::vector<Document> waiting_;
  bool in_document_ = false;  // the last of waiting_ has not ended
  int64_t num_documents_ = 0;
};

}  // namespace apollo
