// Measures what it costs ranks to add their gradients in an order that the network does not choose:
// Workers::sum() and a plain allreduce of gloo take turns on buffers of equal length.
//
//   bench_exchange FOLDER ELEMENTS ROUNDS     as every rank of a launch of one machine; rank 0
//                                             prints JSON; the ranks meet by files in FOLDER
#include <ATen/ops/ones.h>
#include <fmt/format.h>
#include <torch/csrc/distributed/c10d/FileStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <vector>

#include "base/error.h"
#include "parallel/workers.h"

namespace apollo {
namespace {

using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

c10::intrusive_ptr<c10d::ProcessGroupGloo> plain_group(const Launch& launch,
                                                       const std::filesystem::path& folder) {
  auto options = c10d::ProcessGroupGloo::Options::create(60s);
  options->devices.push_back(c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1"));
  const auto store = c10::make_intrusive<c10d::FileStore>((folder / "plain").string(),
                                                          static_cast<int>(launch.size));
  return c10::make_intrusive<c10d::ProcessGroupGloo>(store, static_cast<int>(launch.rank),
                                                     static_cast<int>(launch.size), options);
}

// Returns the time of the slowest rank.
double seconds_of(const std::function<void()>& work, Workers& workers) {
  workers.gather({});  // all begin together
  const auto start = Clock::now();
  work();
  return workers.largest(std::chrono::duration<double>(Clock::now() - start).count());
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run(const std::filesystem::path& folder, int64_t elements, int64_t rounds) {
  const std::optional<Launch> launch = find_launch();
  if (!launch) throw UsageError("bench_exchange: expected to be started as a rank");
  const auto workers = join_workers(*launch, at::kCPU, folder, 60s);
  const auto group = plain_group(*launch, folder);
  const at::Tensor buffer = at::ones({elements}, at::kFloat);
  std::vector<double> by_tree, by_allreduce;
  for (int64_t round = 0; round <= rounds; ++round) {
    const double tree = seconds_of([&] { workers->sum(buffer); }, *workers);
    buffer.fill_(1.0);
    const double plain = seconds_of(
        [&] {
          std::vector<at::Tensor> tensors = {buffer};
          group->allreduce(tensors)->wait();
        },
        *workers);
    buffer.fill_(1.0);
    if (round == 0) continue;  // the first round sets up connections
    by_tree.push_back(tree);
    by_allreduce.push_back(plain);
  }
  if (workers->leads()) {
    fmt::print("{{\"ranks\": {}, \"elements\": {}, \"tree_s\": {}, \"allreduce_s\": {}}}\n",
               launch->size, elements, median(by_tree), median(by_allreduce));
  }
  workers->gather({});
}

}  // namespace
}  // namespace apollo

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    apollo::run(argv[1], std::atoll(argv[2]), std::atoll(argv[3]));
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_exchange: {}\n", error.what());
    return 1;
  }
  return 0;
}
