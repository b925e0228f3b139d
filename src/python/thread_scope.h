// Sets how many threads LibTorch uses.
#pragma once

#include <ATen/Parallel.h>

#include <cstdint>

#include "base/machine.h"

namespace apollo::python {

// Sets the number during its lifetime and restores it afterwards. 0: physical cores, as in the
// command.
class ThreadScope {
 public:
  explicit ThreadScope(int64_t threads) : before_(at::get_num_threads()) {
    set(static_cast<int>(threads > 0 ? threads : num_physical_cores()));
  }
  ~ThreadScope() { set(before_); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  static void set(int threads) {
    if (at::get_num_threads() != threads) at::set_num_threads(threads);
  }
  int before_;
};

}  // namespace apollo::python
