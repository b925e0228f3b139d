#include "cli/common_options.h"

#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>

#include "base/machine.h"
#include "model/model.h"

namespace apollo {

void add_device_options(CLI::App& command, DeviceOptions& options) {
  command
      .add_option("--device", options.device,
                  "auto, cpu, cuda or cuda:N (default: the first GPU, else the CPU)")
      ->type_name("DEVICE");
  command.add_option("--threads", options.threads, "threads on the CPU (default: physical cores)")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
}

at::Device apply(const DeviceOptions& options) {
  const int64_t threads = options.threads > 0 ? options.threads : num_physical_cores();
  at::set_num_threads(static_cast<int>(threads));
  return find_device(options.device);
}

}  // namespace apollo
