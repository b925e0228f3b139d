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

// Fixed, so that every run has the same validation text.
constexpr uint64_t kSplitSeed = 0;

}  // namespace

DocumentSplit::DocumentSplit(const fs::path& train_dir, const fs::path& valid_dir,
                             const Tokenizer& tokenizer, double valid_fraction)
    : scratch_dir_(train_dir / "scratch"),
      tokenizer_(tokenizer),
      valid_fraction_(valid_fraction),
      train_(train_dir, tokenizer.vocab_size()),
      valid_(valid_dir, tokenizer.vocab_size()),
      byte_lengths_(static_cast<size_t>(tokenizer.vocab_size()), -1) {
  fs::create_directory(scratch_dir_);
  scratch_.emplace(scratch_dir_, tokenizer.vocab_size());
}

void DocumentSplit::add(const EncodedPiece& piece) {
  if (block_tokens_ > 0) return place(piece);
  scratch_->append(piece.ids);
  waiting_.push_back({std::ssize(piece.ids), piece.text_bytes, piece.invalid_sequences,
                      piece.source, piece.end_of_document});
  const double num_valid = valid_fraction_ * static_cast<double>(scratch_->num_tokens());
  if (num_valid < static_cast<double>(kFewBlocks * kBlockTokens)) return;
  begin_blocks(kBlockTokens);
  replay_scratch();
}

int64_t DocumentSplit::finish(const DatasetInfo& info) {
  if (block_tokens_ == 0) {
    const double num_valid = valid_fraction_ * static_cast<double>(scratch_->num_tokens());
    const int64_t share = std::llround(num_valid / kFewBlocks);
    begin_blocks(std::min<int64_t>(std::max(share, kMinBlockTokens), std::llround(num_valid)));
    replay_scratch();
  }
  check_not_empty(train_, "training");
  check_not_empty(valid_, "validation");
  train_.finish(info);
  valid_.finish(info);
  return num_documents_;
}

void DocumentSplit::begin_blocks(int64_t block_tokens) {
  if (block_tokens == 0) {
    fail<DataError>(
        "a validation share of {} leaves no validation text: {} tokens in all (hint: another "
        "data.valid_fraction, or files of their own in data.valid)",
        valid_fraction_, scratch_->num_tokens());
  }
  block_tokens_ = block_tokens;
  stretch_tokens_ = std::max<int64_t>(
      block_tokens, std::llround(static_cast<double>(block_tokens) / valid_fraction_));
}

void DocumentSplit::replay_scratch() {
  scratch_->finish({});
  scratch_.reset();
  {
    const TokenDataset scratch = TokenDataset::open(scratch_dir_);
    std::vector<int64_t> wide;
    std::vector<TokenId> ids;
    int64_t begin = 0;
    for (const Waiting& piece : waiting_) {
      throw_if_stopped();
      wide.resize(static_cast<size_t>(piece.num_tokens));
      scratch.copy(begin, wide);
      begin += piece.num_tokens;
      ids.assign(wide.begin(), wide.end());
      place({ids, piece.text_bytes, piece.invalid_sequences, piece.file, piece.end_of_document});
    }
  }
  waiting_.clear();
  fs::remove_all(scratch_dir_);
}

bool DocumentSplit::in_block(int64_t place, int64_t& until) const {
  const int64_t stretch = place / stretch_tokens_;
  const double u = random_uniform(kSplitSeed, RngStream::kSplit, static_cast<uint64_t>(stretch));
  const auto room = static_cast<double>(stretch_tokens_ - block_tokens_ + 1);
  const int64_t begin = stretch * stretch_tokens_ + static_cast<int64_t>(u * room);
  const int64_t end = begin + block_tokens_;
  const bool is_in = place >= begin && place < end;
  until = place < begin ? begin : is_in ? end : (stretch + 1) * stretch_tokens_;
  return is_in;
}

// A document waits until it is known whether it is longer than a block: until more than a block of
// it, or its end, has come.
void DocumentSplit::place(const EncodedPiece& piece) {
  Document& document = document_;
  if (document.ids.empty() && !document.is_long) document.begin = num_placed_;
  document.ids.insert(document.ids.end(), piece.ids.begin(), piece.ids.end());
  document.text_bytes += piece.text_bytes;
  document.invalid_sequences += piece.invalid_sequences;
  document.file = piece.source;
  num_placed_ += std::ssize(piece.ids);
  document.is_long = document.is_long || std::ssize(document.ids) > block_tokens_;
  if (document.is_long) {
    hand_on_stretches(piece.end_of_document);
  } else if (piece.end_of_document) {
    hand_on_whole();
  }
  if (!piece.end_of_document) return;
  document = {};
  num_documents_++;
}

void DocumentSplit::hand_on_whole() {
  int64_t until = 0;
  DatasetPart& part = in_block(document_.begin, until) ? valid_ : train_;
  put(part, document_.ids);
  part.text_bytes += document_.text_bytes;
  part.invalid_sequences += document_.invalid_sequences;
  part.num_documents++;
}

void DocumentSplit::hand_on_stretches(bool is_end) {
  Document& document = document_;
  std::span<const TokenId> ids = document.ids;
  const bool ends_by_token = is_end && tokenizer_.end_of_text().has_value();
  while (!ids.empty()) {
    int64_t until = 0;
    bool in_valid = in_block(document.begin, until);
    // The end-of-text token belongs to the text that it ends.
    if (ends_by_token && ids.size() == 1 && document.stretch_open) in_valid = document.in_valid;
    if (document.stretch_open && in_valid != document.in_valid) end_stretch();
    const auto count = std::min(ids.size(), static_cast<size_t>(until - document.begin));
    document.in_valid = in_valid;
    document.stretch_open = true;
    put(in_valid ? valid_ : train_, ids.first(count));
    if (in_valid) {
      const int64_t num_bytes = count_text_bytes(ids.first(count));
      valid_.text_bytes += num_bytes;
      train_.text_bytes -= num_bytes;
    }
    ids = ids.subspan(count);
    document.begin += static_cast<int64_t>(count);
  }
  document.ids.clear();
  train_.text_bytes += std::exchange(document.text_bytes, 0);
  train_.invalid_sequences += std::exchange(document.invalid_sequences, 0);
  if (is_end) (document.in_valid ? valid_ : train_).num_documents++;
}

void DocumentSplit::put(DatasetPart& part, std::span<const TokenId> ids) {
  part.writer.append(ids);
  if (&part == &valid_) valid_by_file_[document_.file] += std::ssize(ids);
}

// Ends the part of a document in one dataset when the document continues in the other.
void DocumentSplit::end_stretch() {
  DatasetPart& part = document_.in_valid ? valid_ : train_;
  part.num_documents++;
  if (const std::optional<TokenId> end = tokenizer_.end_of_text()) put(part, {&*end, 1});
}

int64_t DocumentSplit::count_text_bytes(std::span<const TokenId> ids) {
  int64_t total = 0;
  for (const TokenId id : ids) {
    int64_t& length = byte_lengths_[static_cast<size_t>(id)];
    if (length < 0) {
      const bool is_mark = tokenizer_.end_of_text() == id || tokenizer_.begin_of_text() == id;
      length = is_mark ? 0 : static_cast<int64_t>(tokenizer_.token_text(id).size());
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
      valid_fraction_, name, num_tokens(), num_documents_);
}

}  // namespace apollo
