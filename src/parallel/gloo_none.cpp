// In place of gloo_workers.cpp where the headers of gloo are not installed.
#include "base/error.h"
#include "parallel/gloo_workers.h"

namespace apollo {

std::unique_ptr<Workers> join_by_gloo(const Launch& launch, const std::filesystem::path&,
                                      std::chrono::milliseconds) {
  fail<UsageError>(
      "rank {} of {}: this Apollo was built without gloo; hint: install its headers (Debian: "
      "libgloo-dev) and build again",
      launch.rank, launch.size);
}

}  // namespace apollo
