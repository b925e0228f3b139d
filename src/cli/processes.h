// `--processes N`: the ranks that share what a command does, started on this machine and looked
// after, and how a rank joins the others.
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

// Runs `words` (this program and its arguments) as so many ranks that find each other, and passes
// signals on to them. Where one fails the others are ended: throws RankFailed with its exit code.
// Throws Interrupted where a signal ended all of them.
void run_ranks(int64_t num_ranks, const std::vector<std::string>& words);

// Adds --processes to a command that shares out its passes; N is `processes`.
void add_processes_option(CLI::App& command, int64_t& processes);

// Where --processes asks for ranks and this process is none: runs its own command line as so many
// and returns true. `file` is what the command reads; throws UsageError where ranks, however
// started, would share standard input ('-').
bool was_run_as_ranks(int64_t processes, const std::string& file);

// The ranks of the launch that this process belongs to, or this process alone. All but the first
// keep silent.
std::unique_ptr<Workers> join_launch(at::Device device);

}  // namespace apollo
