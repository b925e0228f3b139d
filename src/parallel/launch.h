// How this process was started: alone, or as one of several ranks by torchrun, mpirun, srun or
// `apollo train --processes N`. This is read from the environment, not from a config.
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
  // Where the ranks meet: an address that rank 0 or the launcher (torchrun) serves, or, if the
  // launcher gives none, a file that all of them see, named after `job`.
  std::string address;
  int64_t port = 0;
  bool launcher_serves = false;  // the launcher's agent serves the store; rank 0 joins it too
  std::string job;               // differs for every start, including restarts
};

using Environment = std::function<const char*(const char* name)>;

// Returns nothing for a process on its own. Throws UsageError that names the launcher's variables
// if they contradict each other.
std::optional<Launch> find_launch(const Environment& environment);
// The same, reading the environment of this process.
std::optional<Launch> find_launch();

}  // namespace apollo
