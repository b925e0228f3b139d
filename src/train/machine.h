// What a run needs from the machine while it computes: threads, and the library of matrix products.
#pragma once

#include "config/run_config.h"
#include "ops/matmul.h"

namespace apollo {

// Sets them for this thread during its lifetime and restores them afterwards, so that runs can take
// turns.
class MachineScope {
 public:
  // `matmul`: the resolved value of run.matmul (matmul_choice.h).
  MachineScope(const RunConfig::Run& run, MatmulLibrary matmul);
  ~MachineScope();
  MachineScope(const MachineScope&) = delete;
  MachineScope& operator=(const MachineScope&) = delete;

 private:
  int threads_before_;
  MatmulScope matmul_;
};

}  // namespace apollo
