#include "data/document_split.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "base/stop_signal.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMinDocumentsToSplit = 100;
// Fixed, so that the validation documents of a text are the same in every run.
constexpr uint64_t kSplitSeed = 0;

void copy_tokens(const TokenDataset& from, int64_t begin, int64_t end, TokenWriter& to) {
  constexpr int64_t kBlock = 1 << 16;
  std::vector<int64_t> wide;
  std::vector<TokenId> ids;
  for (; begin < end; begin += kBlock) {
    throw_if_stopped();
    wide.resize(static_cast<size_t>(std::min(kBlock, end - begin)));
    from.copy(begin, wide);
    ids.assign(wide.begin(), wide.end());
    to.append(ids);
  }
}

}  // namespace

DocumentSplit::DocumentSplit(const fs::path& train_dir, const fs::path& valid_dir,
                             const Tokenizer& tokenizer, double valid_fraction)
    : scratch_dir_(train_dir / "scratch"),
      tokenizer_(tokenizer),
      valid_fraction_(valid_fraction),
      train_(train_dir, tokenizer.vocab_size()),
      valid_(valid_dir, tokenizer.vocab_size()) {
  fs::create_directory(scratch_dir_);
  scratch_.emplace(scratch_dir_, tokenizer.vocab_size());
}

void DocumentSplit::add(const EncodedPiece& piece) {
  if (scratch_) {
    add_to_scratch(piece);
    return;
  }
  DatasetPart& part = part_of(num_documents_);
  part.add(piece.ids, piece.text_bytes, piece.invalid_sequences);
  if (piece.end_of_document) {
    part.num_documents++;
    num_documents_++;
  }
}

void DocumentSplit::finish(const DatasetInfo& info) {
  if (scratch_) split_tail(open_scratch());
  fs::remove_all(scratch_dir_);
  check_not_empty(train_, "training");
  check_not_empty(valid_, "validation");
  train_.finish(info);
  valid_.finish(info);
}

DatasetPart& DocumentSplit::part_of(int64_t document) {
  const double place =
      random_uniform(kSplitSeed, RngStream::kSplit, static_cast<uint64_t>(document));
  return place < valid_fraction_ ? valid_ : train_;
}

void DocumentSplit::add_to_scratch(const EncodedPiece& piece) {
  scratch_->append(piece.ids);
  if (!in_document_) waiting_.emplace_back();
  Document& document = waiting_.back();
  document.num_tokens += static_cast<int64_t>(piece.ids.size());
  document.text_bytes += piece.text_bytes;
  document.invalid_sequences += piece.invalid_sequences;
  in_document_ = !piece.end_of_document;
  if (piece.end_of_document && waiting_.size() == kMinDocumentsToSplit)
    split_documents(open_scratch());
}

TokenDataset DocumentSplit::open_scratch() {
  scratch_->finish({});
  scratch_.reset();
  return TokenDataset::open(scratch_dir_);
}

void DocumentSplit::split_documents(const TokenDataset& scratch) {
  int64_t begin = 0;
  for (const Document& document : waiting_) {
    DatasetPart& part = part_of(num_documents_++);
    copy_tokens(scratch, begin, begin + document.num_tokens, part.writer);
    part.text_bytes += document.text_bytes;
    part.invalid_sequences += document.invalid_sequences;
    part.num_documents++;
    begin += document.num_tokens;
  }
}

// The last tokens become validation. A document that the cut goes through counts in both parts.
void DocumentSplit::split_tail(const TokenDataset& scratch) {
  const auto num_valid = std::llround(valid_fraction_ * static_cast<double>(scratch.size()));
  const int64_t cut = scratch.size() - num_valid;
  copy_tokens(scratch, 0, cut, train_.writer);
  copy_tokens(scratch, cut, scratch.size(), valid_.writer);
  int64_t begin = 0;
  int64_t text_bytes = 0;
  for (const Document& document : waiting_) {
    const int64_t end = begin + document.num_tokens;
    train_.num_documents += begin < cut ? 1 : 0;
    valid_.num_documents += end > cut ? 1 : 0;
    (begin < cut ? train_ : valid_).invalid_sequences += document.invalid_sequences;
    text_bytes += document.text_bytes;
    begin = end;
  }
  valid_.text_bytes = count_text_bytes(scratch, cut);
  train_.text_bytes = text_bytes - valid_.text_bytes;
}

// Bytes of the text that the tokens from `begin` on stand for.
int64_t DocumentSplit::count_text_bytes(const TokenDataset& dataset, int64_t begin) const {
  std::vector<int64_t> lengths(static_cast<size_t>(tokenizer_.vocab_size()), -1);
  int64_t total = 0;
  int64_t token = 0;
  for (; begin < dataset.size(); begin++) {
    dataset.copy(begin, std::span(&token, 1));
    int64_t& length = lengths[static_cast<size_t>(token)];
    if (length < 0) {
      const auto id = static_cast<TokenId>(token);
      const bool is_end = tokenizer_.end_of_text() == id;
      length = is_end ? 0 : static_cast<int64_t>(tokenizer_.token_text(id).size());
    }
    total += length;
  }
  return total;
}

void DocumentSplit::check_not_empty(const DatasetPart& part, std::string_view name) const {
  if (part.writer.num_tokens() > 0) return;
  fail<DataError>(
      "a validation share of {} leaves no {} text: {} tokens in {} documents (hint: another "
      "data.valid_fraction, or files of their own in data.valid)",
      valid_fraction_, name, train_.writer.num_tokens() + valid_.writer.num_tokens(),
      waiting_.size() < kMinDocumentsToSplit ? static_cast<int64_t>(waiting_.size())
                                             : num_documents_);
}

}  // namespace apollo
