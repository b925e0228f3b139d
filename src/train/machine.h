// What a run asks of the machine while it computes: threads, and the library of matrix products.
#pragma once

#include "config/run_config.h"
#include "ops/matmul.h"

namespace apollo {

// For its lifetime, in this thread; then what held before holds again, so that runs can take turns.
class MachineScope {
 public:
  explicit MachineScope(const RunConfig::Run& run);
  ~MachineScope();
  MachineScope(const MachineScope&) = delete;
  MachineScope& operator=(const MachineScope&) = delete;

 private:
  int threads_before_;
  MatmulScope matmul_;
};

}  // namespace apollo
