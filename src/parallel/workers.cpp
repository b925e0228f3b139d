#include "parallel/workers.h"

#include <algorithm>

#include "base/error.h"
#include "parallel/gloo_workers.h"
#include "parallel/tree_sum.h"

namespace apollo {
namespace {

class SingleWorker final : public Workers {
 public:
  SingleWorker() : Workers(/*rank=*/0, /*size=*/1) {}
  void sum(const at::Tensor&) override {}
  std::vector<double> gather(std::span<const double> own) override {
    return {own.begin(), own.end()};
  }
};

}  // namespace

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
  if (!device.is_cpu()) {
    fail<UsageError>(
        "rank {} of {}: several processes can share a run on CPUs only, not yet on device '{}'; "
        "hint: run.device = \"cpu\"",
        launch.rank, launch.size, device.str());
  }
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
