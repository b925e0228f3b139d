// What a run costs each of several processes that share its steps: `apollo plan --processes N`.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_lines.h"
#include "progressive/plan.h"

namespace apollo {

struct SharedStage {
  int64_t layers = 0;
  double bytes = 0.0;          // in memory of the process with the most micro-batches
  double moment_bytes = 0.0;   // of them the moments, by run.shard_optimizer or all of them
  double network_bytes = 0.0;  // sent by each process in a step, and received as well
};

struct SharedPlan {
  int64_t processes = 1;
  int64_t micro_batches = 0;  // of a step
  int64_t largest_share = 0;  // of them, that one process runs
  bool exact = false;         // the bits of one process, whatever the number of processes
  std::vector<SharedStage> stages;
};

// `processes`: 1 at least. A micro_batch_size that is left to the machine counts as one micro-batch
// per process.
SharedPlan plan_processes(const RunPlan& plan, int64_t processes);

std::string shared_table(const SharedPlan& shared);
Json shared_json(const SharedPlan& shared);

}  // namespace apollo
