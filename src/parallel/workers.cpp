#include "parallel/workers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "parallel/gloo_workers.h"
#include "parallel/nccl_workers.h"
#include "parallel/tree_sum.h"

namespace apollo {
namespace {

class SingleWorker final : public Workers {
 public:
  SingleWorker() : Workers(/*rank=*/0, /*size=*/1) {}

 protected:
  void all_to_all(const at::Tensor&, const at::Tensor&) override {}
  void all_gather(const at::Tensor&, const at::Tensor&) override {}
  void all_reduce(const at::Tensor&) override {}
};

// So many numbers travel together with their count in one exchange.
constexpr size_t kFewNumbers = 31;

int64_t longest_of(std::span<const ElementRange> ranges) {
  int64_t longest = 0;
  for (const ElementRange& range : ranges)
    longest = std::max(longest, range.size());
  return longest;
}

// Returns the part of a range that starts `offset` after its begin and is at most `length` long.
ElementRange piece_of(const ElementRange& range, int64_t offset, int64_t length) {
  const int64_t begin = std::min(range.end, range.begin + offset);
  return {begin, std::min(range.end, begin + length)};
}

at::Tensor view_of(const at::Tensor& flat, const ElementRange& range) {
  return flat.slice(0, range.begin, range.end);
}

// Returns the length of the pieces in which ranges are exchanged, so that an exchange needs little
// memory.
int64_t piece_length(std::span<const ElementRange> ranges) {
  const auto count = static_cast<int64_t>(ranges.size());
  return std::min(longest_of(ranges), std::max<int64_t>(1, kExchangeElements / count));
}

}  // namespace

void Workers::sum(const at::Tensor& flat) {
  const at::Tensor buffer = flat.flatten();
  // Two numbers have one sum, whichever comes first.
  if (size_ <= 2) return all_reduce(buffer);
  const std::vector<ElementRange> ranges = equal_ranges(buffer.numel(), size_);
  const at::Tensor own = view_of(buffer, ranges.at(static_cast<size_t>(rank_)));
  sum_ranges(buffer, ranges, own);
  gather_ranges(own, ranges, buffer);
}

// Each rank receives its range of every rank's tensor and adds these by the tree. That is half the
// volume of a ring, and the network does not choose the order.
void Workers::sum_ranges(const at::Tensor& flat, std::span<const ElementRange> ranges,
                         const at::Tensor& own_sum) {
  const ElementRange own = ranges[static_cast<size_t>(rank_)];
  if (size_ == 1) {
    own_sum.copy_(view_of(flat, own));
    return;
  }
  const int64_t length = piece_length(ranges);
  const int64_t longest = longest_of(ranges);
  const at::Tensor sent_NC = at::zeros({size_, length}, flat.options());
  const at::Tensor received_NC = at::empty_like(sent_NC);
  for (int64_t offset = 0; offset < longest; offset += length) {
    for (int64_t rank = 0; rank < size_; ++rank) {
      const ElementRange piece = piece_of(ranges[static_cast<size_t>(rank)], offset, length);
      sent_NC[rank].slice(0, 0, piece.size()).copy_(view_of(flat, piece));
    }
    all_to_all(received_NC, sent_NC);
    std::vector<at::Tensor> parts = received_NC.unbind(0);
    add_by_tree(parts);
    const int64_t size = piece_of(own, offset, length).size();
    own_sum.slice(0, offset, offset + size).copy_(parts.front().slice(0, 0, size));
  }
}

void Workers::gather_ranges(const at::Tensor& own, std::span<const ElementRange> ranges,
                            const at::Tensor& whole) {
  if (size_ == 1) {
    if (whole.defined()) view_of(whole, ranges.front()).copy_(own);
    return;
  }
  const int64_t length = piece_length(ranges);
  const int64_t longest = longest_of(ranges);
  const at::Tensor sent_C = at::zeros({length}, own.options());
  const at::Tensor all_NC = at::empty({size_, length}, own.options());
  for (int64_t offset = 0; offset < longest; offset += length) {
    const int64_t begin = std::min(own.numel(), offset);
    const int64_t size = std::min(own.numel() - begin, length);
    sent_C.slice(0, 0, size).copy_(own.slice(0, begin, begin + size));
    all_gather(all_NC, sent_C);
    for (int64_t rank = 0; whole.defined() && rank < size_; ++rank) {
      const ElementRange piece = piece_of(ranges[static_cast<size_t>(rank)], offset, length);
      view_of(whole, piece).copy_(all_NC[rank].slice(0, 0, piece.size()));
    }
  }
}

// A few numbers, the usual case, travel with their count; more of them need a second exchange.
std::vector<double> Workers::gather(std::span<const double> own) {
  if (size_ == 1) return {own.begin(), own.end()};
  std::array<double, kFewNumbers + 1> mine{static_cast<double>(own.size())};
  std::copy_n(own.begin(), std::min(own.size(), kFewNumbers), mine.begin() + 1);
  const std::vector<double> first = exchange(mine);
  double most = 0.0;
  for (size_t at = 0; at < first.size(); at += mine.size())
    most = std::max(most, first[at]);
  const bool few = most <= static_cast<double>(kFewNumbers);
  std::vector<double> all_of_mine(own.begin(), own.end());
  all_of_mine.resize(static_cast<size_t>(most));
  const std::vector<double> all = few ? first : exchange(all_of_mine);
  const size_t stride = few ? mine.size() : all_of_mine.size();
  std::vector<double> numbers;
  for (size_t rank = 0; rank < static_cast<size_t>(size_); ++rank) {
    const double* begin = all.data() + rank * stride + (few ? 1 : 0);
    numbers.insert(numbers.end(), begin, begin + static_cast<size_t>(first[rank * mine.size()]));
  }
  return numbers;
}

std::vector<double> Workers::exchange(std::span<const double> own) {
  const at::Tensor mine = at::empty({static_cast<int64_t>(own.size())}, at::kDouble);
  std::copy(own.begin(), own.end(), mine.mutable_data_ptr<double>());
  const at::Tensor all = at::empty({size_, mine.numel()}, at::kDouble);
  all_gather(all, mine);
  const double* begin = all.const_data_ptr<double>();
  return {begin, begin + all.numel()};
}

double Workers::largest(double own) {
  const std::vector<double> all = gather(std::span(&own, 1));
  return *std::max_element(all.begin(), all.end());
}

void Workers::expect_equal(double own, const char* what) {
  const std::vector<double> all = gather(std::span(&own, 1));
  for (size_t i = 1; i < all.size(); ++i) {
    if (all[i] == all[0]) continue;
    fail<DataError>("rank {} has {} than rank 0; all ranks must have the same", i, what);
  }
}

std::unique_ptr<Workers> single_worker() {
  return std::make_unique<SingleWorker>();
}

std::unique_ptr<Workers> join_workers(const Launch& launch, at::Device device,
                                      const std::filesystem::path& meeting_folder,
                                      std::chrono::milliseconds timeout) {
  if (!device.is_cpu()) return join_by_nccl(launch, device, meeting_folder, timeout);
  return join_by_gloo(launch, meeting_folder, timeout);
}

void add_by_tree(std::span<at::Tensor> parts) {
  if (parts.size() < 2) return;
  const size_t half = parts.size() / 2;
  add_by_tree(parts.first(half));
  add_by_tree(parts.subspan(half));
  parts.front().add_(parts[half]);
}

}  // namespace apollo
