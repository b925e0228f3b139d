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
  void broadcast(const at::Tensor&) override {}
};

}  // namespace

double Workers::largest(double own) {
  const std::vector<double> all = gather(std::span(&own, 1));
  return *std::max_element(all.begin(), all.end());
}

std::unique_ptr<Workers> single_worker() {
  return std::make_unique<SingleWorker>();
}

std::unique_ptr<Workers> join_workers(const Launch& launch, at::Device device,
                                      const std::filesystem::path& meeting_folder) {
  if (!device.is_cpu()) {
    fail<UsageError>(
        "rank {} of {}: several processes can share a run on CPUs only, not yet on device '{}'; "
        "hint: run.device = \"cpu\"",
        launch.rank, launch.size, device.str());
  }
  return join_by_gloo(launch, meeting_folder);
}

void add_by_tree(std::span<at::Tensor> parts) {
  if (parts.size() < 2) return;
  const size_t half = parts.size() / 2;
  add_by_tree(parts.first(half));
  add_by_tree(parts.subspan(half));
  parts.front().add_(parts[half]);
}

}  // namespace apollo
