// Batches of rows of like length, so that little of a batch is padding.
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

// Every row once, in an order that depends only on (seed, epoch): the rows are shuffled, those of
// each 50 neighbouring batches sorted by length, and these batches shuffled. Only one batch may be
// smaller than `batch_size`.
std::vector<RowBatch> training_batches(const EncodedRows& rows, int64_t batch_size, uint64_t seed,
                                       int64_t epoch);

// Every row once, by length.
std::vector<RowBatch> evaluation_batches(const EncodedRows& rows, int64_t batch_size);

struct ClassifierBatch {
  DeviceBatch tokens;
  at::Tensor last_rows_B;  // int64: place b*T + t of each row's last token that is not `padding`
};

// Pads on the right to the longest row. A row that itself ends with the token that pads is read at
// the one before, and a row of nothing else at its first, as GPT2ForSequenceClassification does.
ClassifierBatch make_batch(const EncodedRows& rows, std::span<const int64_t> chosen,
                           TokenId padding, Objective objective, at::Device device);

}  // namespace apollo
