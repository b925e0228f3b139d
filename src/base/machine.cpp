#include "base/machine.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <utility>

namespace apollo {

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  std::string name, family, model;
  // Reads only the first processor's entry.
  for (std::string line; std::getline(file, line) && !line.empty();) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos || colon + 2 > line.size()) continue;
    const std::string key = line.substr(0, line.find_last_not_of(" \t", colon - 1) + 1);
    const std::string value = line.substr(colon + 2);
    if (key == "model name") name = value;
    if (key == "cpu family") family = value;
    if (key == "model") model = value;
  }
  if (name.empty()) return "unknown";
  if (family.empty() || model.empty()) return name;
  return fmt::format("{}, family {}, model {}", name, family, model);
}

int64_t num_physical_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  std::set<std::pair<int, int>> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    const auto read = [&](const char* name, int fallback) {
      std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu{}/topology/{}", cpu, name));
      int value = fallback;
      return file >> value ? value : fallback;
    };
    // If the system does not say, every processor counts as a core.
    cores.emplace(read("physical_package_id", -1), read("core_id", cpu));
  }
  return std::max<int64_t>(1, static_cast<int64_t>(cores.size()));
}

double available_memory_bytes() {
  std::ifstream file("/proc/meminfo");
  std::string key;
  double kibibytes = 0.0;
  for (std::string unit; file >> key >> kibibytes; std::getline(file, unit)) {
    if (key == "MemAvailable:") return kibibytes * 1024.0;
  }
  return 0.0;
}

}  // namespace apollo
