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
  double bytes = 0.0;          // memory of the process with the most micro-batches
  double moment_bytes = 0.0;   // the moments in it, whole or divided by run.shard_optimizer
  double network_bytes = 0.0;  // sent by each process in a step; it receives as much
};

struct SharedPlan {
  int64_t processes = 1;
  int64_t micro_batches = 0;  // per step
  int64_t largest_share = 0;  // the most of them that one process runs
  bool exact = false;         // whether the bits are those of one process
  std::vector<SharedStage> stages;
};

// `processes`: at least 1. If micro_batch_size is left to the machine, it counts as one micro-batch
// per process.
SharedPlan plan_processes(const RunPlan& plan, int64_t processes);

std::string shared_table(const SharedPlan& shared);
Json shared_json(const SharedPlan& shared);

}  // namespace apollo
