#include "data/masked_batches.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/rng.h"
#include "config/objective.h"
#include "data/document_numbers.h"

namespace apollo {
namespace {

constexpr double kShareMasked = 0.8;
constexpr double kShareRandom = 0.1;

}  // namespace

// The random numbers of one row, in the order in which it uses them.
class MaskedBatches::Draws {
 public:
  static Draws at_place(uint64_t seed, int64_t place) {
    return Draws(seed, static_cast<uint64_t>(place));
  }
  // Keyed from the far end of the counter, which no place of a training run reaches, whatever its
  // seed.
  static Draws of_sequence(int64_t sequence) {
    return Draws(0, std::numeric_limits<uint64_t>::max() - static_cast<uint64_t>(sequence));
  }

  // In [0, 1).
  double uniform() { return random_uniform(seed_, RngStream::kMasking, key_, count_++); }
  // In [0, n), n > 0. By multiply and shift; probabilities differ by at most n / 2^64.
  int64_t below(int64_t n) {
    const uint64_t bits = random_bits(seed_, RngStream::kMasking, key_, count_++);
    return static_cast<int64_t>((static_cast<unsigned __int128>(bits) * n) >> 64);
  }

 private:
  Draws(uint64_t seed, uint64_t key) : seed_(seed), key_(key) {}

  uint64_t seed_;
  uint64_t key_;
  uint32_t count_ = 0;
};

MaskedBatches::MaskedBatches(const RunConfig& config, const TokenDataset& dataset,
                             const Tokenizer& tokenizer)
    : dataset_(dataset),
      context_(config.model.context),
      num_targets_(targets_per_sequence(config)),
      whole_words_(config.data.mask_whole_words),
      separate_documents_(config.data.separate_documents),
      seed_(config.run.seed),
      order_(config.run.seed,
             checked_num_sequences(Objective::kMasked, config.model.context, dataset.size())),
      tokenizer_(tokenizer) {
  const TokenRoles& roles = tokenizer.roles();
  special_ = {*roles.pad, *roles.cls, *roles.sep, *roles.mask, *tokenizer.end_of_text()};
  for (TokenId id = 0; id < tokenizer.vocab_size(); id++) {
    const bool is_ordinary = tokenizer.is_token(id) && !tokenizer.is_special(id);
    if (is_ordinary && may_be_masked(id) && id != roles.unk) random_pool_.push_back(id);
  }
}

void MaskedBatches::fill_train(int64_t first, int64_t rows, TokenBatch& batch) const {
  resize(batch, rows);
  for (int64_t row = 0; row < rows; row++) {
    fill_row(order_.sample_at(first + row), Draws::at_place(seed_, first + row), row, batch);
  }
}

void MaskedBatches::fill_sequences(std::span<const int64_t> numbers, TokenBatch& batch) const {
  resize(batch, std::ssize(numbers));
  for (int64_t row = 0; row < batch.rows; row++) {
    const int64_t number = numbers[static_cast<size_t>(row)];
    fill_row(number, Draws::of_sequence(number), row, batch);
  }
}

void MaskedBatches::resize(TokenBatch& batch, int64_t rows) const {
  const auto size = static_cast<size_t>(rows * context_);
  batch.rows = rows;
  batch.inputs.resize(size);
  batch.targets.assign(size, kIgnoredTarget);
  batch.segments.clear();
  batch.documents.resize(separate_documents_ ? size : 0);
}

void MaskedBatches::fill_row(int64_t sequence, Draws draws, int64_t row, TokenBatch& batch) const {
  const auto at = static_cast<size_t>(row * context_);
  const auto length = static_cast<size_t>(context_);
  const auto inputs = std::span(batch.inputs).subspan(at, length);
  inputs.front() = special_.cls;
  dataset_.copy(sequence * (context_ - 2), inputs.subspan(1, length - 2));
  inputs.back() = special_.sep;
  if (separate_documents_) {
    const auto documents = std::span(batch.documents).subspan(at, length);
    number_documents(inputs, special_.end, documents);
    documents.back() = documents[length - 2];  // the last [SEP] closes whatever the row ends in
  }
  mask(draws, inputs, std::span(batch.targets).subspan(at, length));
}

bool MaskedBatches::may_be_masked(int64_t token) const {
  return token != special_.pad && token != special_.cls && token != special_.sep &&
         token != special_.mask && token != special_.end;
}

bool MaskedBatches::continues_word(int64_t left, int64_t right) const {
  // A model may have more ids than its tokenizer, and a bare .bin file may contain them.
  const auto left_id = static_cast<TokenId>(left);
  const auto right_id = static_cast<TokenId>(right);
  return tokenizer_.is_token(left_id) && tokenizer_.is_token(right_id) &&
         tokenizer_.continues_word(left_id, right_id);
}

std::vector<MaskedBatches::Unit> MaskedBatches::units(std::span<const int64_t> tokens) const {
  std::vector<Unit> found;
  for (int64_t place = 0; place < context_; place++) {
    const int64_t here = tokens[static_cast<size_t>(place)];
    if (!may_be_masked(here)) continue;
    const bool goes_on = whole_words_ && !found.empty() && found.back().end == place &&
                         continues_word(tokens[static_cast<size_t>(place) - 1], here);
    if (goes_on) {
      found.back().end = place + 1;
    } else {
      found.push_back({place, place + 1});
    }
  }
  return found;
}

// Draws units without replacement: a Fisher-Yates shuffle that ends when the budget is used up.
void MaskedBatches::mask(Draws& draws, std::span<int64_t> inputs,
                         std::span<int64_t> targets) const {
  std::vector<Unit> left = units(inputs);
  int64_t budget = num_targets_;
  while (budget > 0 && !left.empty()) {
    std::swap(left[static_cast<size_t>(draws.below(std::ssize(left)))], left.back());
    const Unit unit = left.back();
    left.pop_back();
    if (unit.size() > budget) continue;
    budget -= unit.size();
    for (auto place = static_cast<size_t>(unit.begin); place < static_cast<size_t>(unit.end);
         place++) {
      targets[place] = inputs[place];
      inputs[place] = shown_for(targets[place], draws);
    }
  }
}

int64_t MaskedBatches::shown_for(int64_t token, Draws& draws) const {
  const double u = draws.uniform();
  if (u < kShareMasked) return special_.mask;
  if (u >= kShareMasked + kShareRandom || random_pool_.empty()) return token;
  return random_pool_[static_cast<size_t>(draws.below(std::ssize(random_pool_)))];
}

}  // namespace apollo
