// `--processes N`: starts and watches, on this machine, the ranks that share a command's work; and
// how a rank joins the others.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "parallel/workers.h"

namespace CLI {
class App;
}

namespace apollo {

// Runs `words` (this program and its arguments) as `num_ranks` ranks that find each other, and
// passes signals on to them. If one fails, the others are ended; throws RankFailed with its exit
// code. Throws Interrupted if a signal ended all of them.
void run_ranks(int64_t num_ranks, const std::vector<std::string>& words);

// Adds --processes to a command that shares out its passes; the value goes to `processes`.
void add_processes_option(CLI::App& command, int64_t& processes);

// If --processes asks for ranks and this process is not one, runs its own command line as so many
// ranks and returns true. `file` is what the command reads. Throws UsageError if ranks, however
// started, would share standard input ('-').
bool was_run_as_ranks(int64_t processes, const std::string& file);

// Returns the ranks of the launch to which this process belongs, or only this process. All ranks
// except the first are silent.
std::unique_ptr<Workers> join_launch(at::Device device);

}  // namespace apollo
