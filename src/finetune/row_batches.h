// Batches of rows of similar length, so that little of a batch is padding.
//
// Shape suffixes: B rows, T positions.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "finetune/encoded_rows.h"
#include "model/model.h"

namespace apollo {

using RowBatch = std::vector<int64_t>;  // indices of rows

// Returns every row once, in an order that depends only on (seed, epoch). The rows are shuffled,
// then sorted by length within every 50 neighbouring batches, and these batches are shuffled. At
// most one batch is smaller than `batch_size`.
std::vector<RowBatch> training_batches(const EncodedRows& rows, int64_t batch_size, uint64_t seed,
                                       int64_t epoch);

// Returns every row once, sorted by length.
std::vector<RowBatch> evaluation_batches(const EncodedRows& rows, int64_t batch_size);

struct ClassifierBatch {
  DeviceBatch tokens;
  at::Tensor last_rows_B;  // int64: place b*T + t of each row's last token other than `padding`
};

// Pads on the right to the longest row. Like GPT2ForSequenceClassification, a row that itself ends
// with the padding token is read at the token before, and a row of only padding at its first.
ClassifierBatch make_batch(const EncodedRows& rows, std::span<const int64_t> chosen,
                           TokenId padding, Objective objective, at::Device device);

}  // namespace apollo
