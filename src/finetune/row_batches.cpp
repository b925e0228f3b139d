#include "finetune/row_batches.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <numeric>

#include "base/rng.h"
#include "data/sample_order.h"

namespace apollo {
namespace {

constexpr int64_t kBatchesInWindow = 50;

int64_t num_batches_of(int64_t num_rows, int64_t batch_size) {
  return (num_rows + batch_size - 1) / batch_size;
}

void sort_by_length(const EncodedRows& rows, std::span<int64_t> part) {
  std::stable_sort(part.begin(), part.end(),
                   [&](int64_t a, int64_t b) { return rows.length(a) < rows.length(b); });
}

RowBatch slice(const std::vector<int64_t>& order, int64_t batch, int64_t batch_size) {
  const auto begin = order.begin() + batch * batch_size;
  return {begin, begin + std::min<int64_t>(batch_size, order.end() - begin)};
}

}  // namespace

std::vector<RowBatch> training_batches(const EncodedRows& rows, int64_t batch_size, uint64_t seed,
                                       int64_t epoch) {
  const int64_t num_rows = rows.size();
  const SampleOrder row_order(seed, num_rows);
  std::vector<int64_t> order;
  for (int64_t i = 0; i < num_rows; ++i)
    order.push_back(row_order.sample_at(epoch * num_rows + i));
  const int64_t window = kBatchesInWindow * batch_size;
  for (int64_t begin = 0; begin < num_rows; begin += window) {
    sort_by_length(
        rows, std::span(order).subspan(static_cast<size_t>(begin),
                                       static_cast<size_t>(std::min(window, num_rows - begin))));
  }
  const int64_t num_batches = num_batches_of(num_rows, batch_size);
  std::vector<RowBatch> batches;
  for (int64_t first = 0; first < num_batches; first += kBatchesInWindow) {
    const int64_t count = std::min(kBatchesInWindow, num_batches - first);
    // Every window has its own key, so that the order inside it differs from that of the others.
    const uint64_t key = random_bits(seed, RngStream::kSampleOrder, static_cast<uint64_t>(epoch),
                                     static_cast<uint32_t>(first));
    const SampleOrder batch_order(key, count);
    for (int64_t i = 0; i < count; ++i)
      batches.push_back(slice(order, first + batch_order.sample_at(i), batch_size));
  }
  return batches;
}

std::vector<RowBatch> evaluation_batches(const EncodedRows& rows, int64_t batch_size) {
  std::vector<int64_t> order(static_cast<size_t>(rows.size()));
  std::iota(order.begin(), order.end(), int64_t{0});
  sort_by_length(rows, order);
  std::vector<RowBatch> batches;
  for (int64_t i = 0; i < num_batches_of(rows.size(), batch_size); ++i)
    batches.push_back(slice(order, i, batch_size));
  return batches;
}

ClassifierBatch make_batch(const EncodedRows& rows, std::span<const int64_t> chosen,
                           TokenId padding, Objective objective, at::Device device) {
  const auto num_rows = static_cast<int64_t>(chosen.size());
  int64_t longest = 0;
  int64_t shortest = rows.length(chosen.front());
  for (const int64_t row : chosen) {
    longest = std::max(longest, rows.length(row));
    shortest = std::min(shortest, rows.length(row));
  }
  const bool sees_all = objective == Objective::kMasked;
  // A causal model never sees the padding after a row.
  const bool masked = sees_all && shortest < longest;
  const auto make_BT = [&](int64_t value) {
    return at::full({num_rows, longest}, value, at::kLong);
  };
  const at::Tensor inputs_BT = make_BT(padding);
  const at::Tensor last_rows_B = at::empty({num_rows}, at::kLong);
  const at::Tensor documents_BT = masked ? make_BT(1) : at::Tensor();
  const at::Tensor segments_BT = sees_all ? make_BT(0) : at::Tensor();
  auto* inputs = inputs_BT.mutable_data_ptr<int64_t>();
  auto* last_rows = last_rows_B.mutable_data_ptr<int64_t>();
  auto* documents = masked ? documents_BT.mutable_data_ptr<int64_t>() : nullptr;
  auto* segments = sees_all ? segments_BT.mutable_data_ptr<int64_t>() : nullptr;
  for (int64_t b = 0; b < num_rows; ++b) {
    const int64_t row = chosen[static_cast<size_t>(b)];
    const int64_t length = rows.length(row);
    const int64_t begin = b * longest;
    std::copy_n(rows.ids.begin() + rows.begins[static_cast<size_t>(row)], length, inputs + begin);
    int64_t last = length - 1;
    while (last >= 0 && inputs[begin + last] == padding)
      --last;
    last_rows[b] = begin + std::max<int64_t>(last, 0);
    if (masked) std::fill_n(documents + begin, length, int64_t{0});
    const int64_t first = rows.first_segments[static_cast<size_t>(row)];
    if (sees_all) std::fill_n(segments + begin + first, length - first, int64_t{1});
  }
  ClassifierBatch batch;
  batch.tokens.inputs_BT = inputs_BT.to(device);
  if (masked) batch.tokens.documents_BT = documents_BT.to(device);
  if (sees_all) batch.tokens.segments_BT = segments_BT.to(device);
  batch.last_rows_B = last_rows_B.to(device);
  return batch;
}

}  // namespace apollo
