// What a run asks of the machine while it computes: threads, and the library of matrix products.
#pragma once

#include "config/run_config.h"
#include "ops/matmul.h"

namespace apollo {

// For its lifetime, in this thread; then what held before holds again, so that runs can take turns.
class MachineScope {
 public:
  // `matmul`: what run.matmul came to (matmul_choice.h).
  MachineScope(const RunConfig::Run& run, MatmulLibrary matmul);
  ~MachineScope();
  MachineScope(const MachineScope&) = delete;
  MachineScope& operator=(const MachineScope&) = delete;

 private:
  int threads_before_;
  MatmulScope matmul_;
};

}  // namespace apollo
