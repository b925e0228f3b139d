// The processes that share a run's steps. What they compute together does not depend on how many
// they are, to the last bit, where that is a power of two that divides the number of micro-batches:
// each holds a whole part of the balanced tree by which micro-batches are added
// (train/training_passes.h), and their sums are added by the same tree.
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
  // The one that writes, and whose clock counts.
  bool leads() const { return rank_ == 0; }

  // This rank's part of `items`, which the ranks share out in order: all parts together are all of
  // them, and as many as one part differs from another is at most one.
  template <class T>
  std::span<const T> share(std::span<const T> items) const {
    const auto count = static_cast<int64_t>(items.size());
    const int64_t begin = count * rank_ / size_;
    const int64_t end = count * (rank_ + 1) / size_;
    return items.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  }

  // Adds the ranks' tensors, dense float32 of one length, by a balanced tree over the ranks: every
  // rank then holds the sum, the same bits.
  void sum(const at::Tensor& flat);
  // The first half of sum(): `own_sum` [ranges[rank()].size()] becomes the sum of the ranks'
  // tensors over this rank's range. There is a range for each rank, the same at all of them. Where
  // none overlap, own_sum may be this rank's range of `flat` itself.
  void sum_ranges(const at::Tensor& flat, std::span<const ElementRange> ranges,
                  const at::Tensor& own_sum);
  // The second half: `own` is what this rank has of a buffer, ranges[rank()], and `whole` receives
  // the ranges of all ranks; undefined at a rank that has no use for it.
  void gather_ranges(const at::Tensor& own, std::span<const ElementRange> ranges,
                     const at::Tensor& whole);
  // The numbers of all ranks in the order of the ranks; each may give another number of them.
  std::vector<double> gather(std::span<const double> own);

  // The largest of the ranks' numbers.
  double largest(double own);
  // Throws DataError, at every rank alike, where one of the ranks has another number than rank 0,
  // naming that rank and `what`.
  void expect_equal(double own, const char* what);

 protected:
  // What an engine of communication does, between more ranks than one. Tensors are contiguous.
  // Row r of `received` [N, C] becomes what rank r sends to this one, its row of `sent` [N, C];
  // float32 on the device of the run.
  virtual void all_to_all(const at::Tensor& received_NC, const at::Tensor& sent_NC) = 0;
  // Row r of `all` [N, C] becomes rank r's `own` [C]; float32 on the device of the run, or float64
  // on the CPU.
  virtual void all_gather(const at::Tensor& all_NC, const at::Tensor& own_C) = 0;
  // `flat` becomes the sum of the ranks' tensors [n], added in whatever order the engine likes.
  virtual void all_reduce(const at::Tensor& flat) = 0;

 private:
  // As many numbers from every rank as from this one.
  std::vector<double> exchange(std::span<const double> own);

  int64_t rank_;
  int64_t size_;
};

// One process: nothing to share, nothing to add.
std::unique_ptr<Workers> single_worker();

// Joins the other ranks of the launch; tensors of `device` are what they add. Ranks that have no
// address meet by a file in `meeting_folder`, which all of them must see. A rank that is not heard
// of for `timeout` ends this process with an error that names it. Throws Error where the ranks do
// not come together in time, and from every exchange that fails.
std::unique_ptr<Workers> join_workers(const Launch& launch, at::Device device,
                                      const std::filesystem::path& meeting_folder,
                                      std::chrono::milliseconds timeout);

}  // namespace apollo
