// `apollo train --processes N`: the ranks of a run, started on this machine and looked after.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace apollo {

// Runs `words` (this program and its arguments) as so many ranks that find each other, and passes
// signals on to them. Where one fails the others are ended: throws RankFailed with its exit code.
// Throws Interrupted where a signal ended all of them.
void run_ranks(int64_t num_ranks, const std::vector<std::string>& words);

}  // namespace apollo
