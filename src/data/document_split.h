// Sets a share of the text apart for validation while the text streams by.
//
// Blocks of about kBlockTokens tokens are drawn from the whole text: one from each stretch of
// kBlockTokens / share tokens, at a place given by a hash of the stretch's number. So every file
// and every part of a file contributes its share, whatever the sizes of the documents. A document
// of at most a block's size goes as a whole with the block in which it begins. A longer one is cut
// at the ends of the block, and each piece of it ends with the end-of-text token. No token is in
// both parts. If the share is less than kFewBlocks blocks, the blocks are smaller, down to
// kMinBlockTokens.
//
// The block of a token depends only on its place in the text, never on a seed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "data/encode_pipeline.h"
#include "data/token_dataset.h"
#include "data/token_writer.h"

namespace apollo {

// What a dataset folder needs while its tokens are written.
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

class DocumentSplit {
 public:
  static constexpr int64_t kBlockTokens = 2000;
  static constexpr int64_t kFewBlocks = 8;
  static constexpr int64_t kMinBlockTokens = 256;

  // Writes into the existing folders `train_dir` and `valid_dir`.
  DocumentSplit(const std::filesystem::path& train_dir, const std::filesystem::path& valid_dir,
                const Tokenizer& tokenizer, double valid_fraction);

  void add(const EncodedPiece& piece);
  // Writes both dataset.json: `info` with the counts of each part. Returns the number of documents.
  // Throws DataError if one of the parts is empty.
  int64_t finish(const DatasetInfo& info);

  // Validation tokens by the number of their file.
  const std::map<int64_t, int64_t>& valid_tokens_by_file() const { return valid_by_file_; }
  int64_t num_valid_tokens() const { return valid_.writer.num_tokens(); }
  int64_t num_tokens() const { return train_.writer.num_tokens() + valid_.writer.num_tokens(); }

 private:
  // A piece whose tokens wait in the scratch dataset until the size of a block is known.
  struct Waiting {
    int64_t num_tokens = 0;
    int64_t text_bytes = 0;
    int64_t invalid_sequences = 0;
    int64_t file = 0;
    bool end_of_document = false;
  };
  // The document that is being read; `ids` are those that were not yet passed on.
  struct Document {
    std::vector<TokenId> ids;
    int64_t begin = 0;  // place of the first of `ids` in the text
    int64_t text_bytes = 0;
    int64_t invalid_sequences = 0;
    int64_t file = 0;
    bool is_long = false;       // some of it was passed on
    bool in_valid = false;      // where the last part that was passed on went
    bool stretch_open = false;  // it has no end-of-text token yet
  };

  void begin_blocks(int64_t block_tokens);
  void replay_scratch();
  void place(const EncodedPiece& piece);
  void hand_on_whole();
  void hand_on_stretches(bool is_end);
  void put(DatasetPart& part, std::span<const TokenId> ids);
  void end_stretch();
  // Returns whether the token at `place` is in a block, and sets `until` to where that changes.
  bool in_block(int64_t place, int64_t& until) const;
  int64_t count_text_bytes(std::span<const TokenId> ids);
  void check_not_empty(const DatasetPart& part, std::string_view name) const;

  std::filesystem::path scratch_dir_;
  const Tokenizer& tokenizer_;
  double valid_fraction_;
  DatasetPart train_;
  DatasetPart valid_;
  std::optional<TokenWriter> scratch_;
  std::vector<Waiting> waiting_;
  int64_t block_tokens_ = 0;    // 0: not known yet
  int64_t stretch_tokens_ = 0;  // each contains one block for validation
  int64_t num_placed_ = 0;      // tokens of the text up to here
  int64_t num_documents_ = 0;
  Document document_;
  std::map<int64_t, int64_t> valid_by_file_;
  std::vector<int64_t> byte_lengths_;  // by token; -1: not yet computed
};

}  // namespace apollo
