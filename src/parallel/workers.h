// The processes that share a run's steps. If their number is a power of two that divides the number
// of micro-batches, the results do not depend on it, to the last bit. Each process then holds a
// whole subtree of the balanced tree by which micro-batches are added (train/training_passes.h),
// and the sums of the processes are added by the rest of that tree.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "base/element_range.h"
#include "parallel/launch.h"

namespace apollo {

class Workers {
 public:
  Workers(int64_t rank, int64_t size) : rank_(rank), size_(size) {}
  virtual ~Workers() = default;
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  int64_t rank() const { return rank_; }
  int64_t size() const { return size_; }
  // Whether this rank is the one that writes files and whose clock counts.
  bool leads() const { return rank_ == 0; }

  // Returns this rank's part of `items`. The parts of all ranks, in order, make up all items, and
  // their sizes differ by at most one.
  template <class T>
  std::span<const T> share(std::span<const T> items) const {
    const auto count = static_cast<int64_t>(items.size());
    const int64_t begin = count * rank_ / size_;
    const int64_t end = count * (rank_ + 1) / size_;
    return items.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  }

  // Adds the ranks' tensors, dense float32 of equal length, by a balanced tree over the ranks. Then
  // every rank holds the same bits.
  void sum(const at::Tensor& flat);
  // The first half of sum(): `own_sum`, [ranges[rank()].size()], becomes the sum of the ranks'
  // tensors over this rank's range. There is one range per rank, and all ranks pass the same
  // ranges. If none overlap, own_sum may be this rank's range of `flat` itself.
  void sum_ranges(const at::Tensor& flat, std::span<const ElementRange> ranges,
                  const at::Tensor& own_sum);
  // The second half: `own` is this rank's part of a buffer, ranges[rank()], and `whole` receives
  // the ranges of all ranks. It is undefined at a rank that does not need it.
  void gather_ranges(const at::Tensor& own, std::span<const ElementRange> ranges,
                     const at::Tensor& whole);
  // Returns the numbers of all ranks in the order of the ranks; each rank may give a different
  // count.
  std::vector<double> gather(std::span<const double> own);

  // Returns the largest of the ranks' numbers.
  double largest(double own);
  // Throws DataError at every rank, naming `what` and the rank, if a rank has another number than
  // rank 0.
  void expect_equal(double own, const char* what);

 protected:
  // The next two are operations of an engine of communication, between two or more ranks. Tensors
  // are contiguous.
  //
  // Row r of `received` [N, C] becomes the row of rank r's `sent` [N, C] that is meant for this
  // rank; float32 on the device of the run.
  virtual void all_to_all(const at::Tensor& received_NC, const at::Tensor& sent_NC) = 0;
  // Row r of `all` [N, C] becomes rank r's `own` [C]; float32 on the device of the run, or float64
  // on the CPU.
  virtual void all_gather(const at::Tensor& all_NC, const at::Tensor& own_C) = 0;
  // `flat` becomes the sum of the ranks' tensors [n], added in whatever order the engine likes.
  virtual void all_reduce(const at::Tensor& flat) = 0;

 private:
  // Exchanges numbers, as many from every rank as from this one.
  std::vector<double> exchange(std::span<const double> own);

  int64_t rank_;
  int64_t size_;
};

// Returns the workers of a single process, which share and add nothing.
std::unique_ptr<Workers> single_worker();

// Joins the other ranks of the launch, whose tensors to be added are on `device`. Ranks without an
// address meet through a file in `meeting_folder`, which all of them must see. A rank that gives no
// sign of life for `timeout` ends this process with an error that names it. Throws Error if the
// ranks do not come together in time, and from every exchange that fails.
std::unique_ptr<Workers> join_workers(const Launch& launch, at::Device device,
                                      const std::filesystem::path& meeting_folder,
                                      std::chrono::milliseconds timeout);

}  // namespace apollo
