// How this process was started: alone, or as one of several ranks by torchrun, mpirun, srun or
// `apollo train --processes N`. Read from the environment; no key of a config says it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace apollo {

enum class Launcher { kApollo, kTorchrun, kMpirun, kSrun };

struct Launch {
  Launcher launcher = Launcher::kApollo;
  int64_t rank = 0;
  int64_t size = 1;
  int64_t local_rank = 0;  // among the ranks of this machine, as the next one
  int64_t local_size = 1;
  // Where the ranks meet: an address that rank 0 or the launcher serves (torchrun), or, where the
  // launcher gives none, a file that all of them see, named after `job`.
  std::string address;
  int64_t port = 0;
  bool launcher_serves = false;  // the launcher's agent holds the store; rank 0 joins as others do
  std::string job;               // differs from start to start, restarts included
};

using Environment = std::function<const char*(const char* name)>;

// Nothing: a process of its own. Throws UsageError where the launcher's variables contradict each
// other, naming them.
std::optional<Launch> find_launch(const Environment& environment);
// The same from the environment of this process.
std::optional<Launch> find_launch();

}  // namespace apollo
