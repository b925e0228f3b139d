// Options that several commands share.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

namespace CLI {
class App;
}

namespace apollo {

struct DeviceOptions {
  std::string device = "auto";
  int64_t threads = 0;  // 0: physical cores, shared among the ranks of this machine
};

// Adds --device and --threads.
void add_device_options(CLI::App& command, DeviceOptions& options);

// Sets the number of threads and opens the device; throws UsageError if the device does not exist.
at::Device apply(const DeviceOptions& options);

}  // namespace apollo
