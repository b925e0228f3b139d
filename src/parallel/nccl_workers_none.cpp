// Built where LibTorch has no CUDA or the headers of NCCL are missing.
#include "base/error.h"
#include "parallel/nccl_workers.h"

namespace apollo {

std::unique_ptr<Workers> join_by_nccl(const Launch& launch, at::Device device,
                                      const std::filesystem::path&, std::chrono::milliseconds) {
  fail<UsageError>(
      "rank {} of {}: this build has no NCCL, by which several processes share a run on device "
      "'{}'; hint: run.device = \"cpu\", or a build that finds nccl.h and the headers of the CUDA "
      "runtime",
      launch.rank, launch.size, device.str());
}

}  // namespace apollo
