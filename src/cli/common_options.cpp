#include "cli/common_options.h"

#include <ATen/Parallel.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "base/machine.h"
#include "cli/number_checks.h"
#include "model/model.h"
#include "parallel/launch.h"

namespace apollo {

void add_device_options(CLI::App& command, DeviceOptions& options) {
  command
      .add_option("--device", options.device,
                  "auto, cpu, cuda or cuda:N (default: the first GPU, else the CPU)")
      ->type_name("DEVICE");
  command.add_option("--threads", options.threads, "threads on the CPU (default: physical cores)")
      ->check(above_zero())
      ->type_name("N");
}

at::Device apply(const DeviceOptions& options) {
  const Launch launch = find_launch().value_or(Launch{});
  const int64_t share = std::max<int64_t>(1, num_physical_cores() / launch.local_size);
  at::set_num_threads(static_cast<int>(options.threads > 0 ? options.threads : share));
  return find_device(options.device, launch.local_rank);
}

}  // namespace apollo
