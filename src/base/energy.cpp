#include "base/energy.h"

#include <dlfcn.h>

#include <filesystem>
#include <fstream>
#include <vector>

namespace apollo {
namespace {

// One RAPL package: a counter in microjoules that wraps at `range`.
struct RaplZone {
  std::filesystem::path counter;
  uint64_t range = 0;
  uint64_t last = 0;
  double joules = 0.0;
};

std::optional<uint64_t> read_number(const std::filesystem::path& path) {
  std::ifstream file(path);
  uint64_t value = 0;
  if (file >> value) return value;
  return std::nullopt;
}

std::vector<RaplZone> find_rapl_packages() {
  std::vector<RaplZone> zones;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/sys/class/powercap", error)) {
    // "intel-rapl:0" is a package; "intel-rapl:0:1" is a part of one and already included in it.
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("intel-rapl:") || name.find(':', 11) != std::string::npos) continue;
    RaplZone zone;
    zone.counter = entry.path() / "energy_uj";
    const auto now = read_number(zone.counter);
    const auto range = read_number(entry.path() / "max_energy_range_uj");
    if (!now || !range) continue;
    zone.last = *now;
    zone.range = *range;
    zones.push_back(zone);
  }
  return zones;
}

// The two calls of NVML that we need. They are looked up at run time, because the library belongs
// to the driver.
class Nvml {
 public:
  explicit Nvml(int index) {
    library_ = ::dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (library_ == nullptr) return;
    const auto init = find<int (*)()>("nvmlInit_v2");
    const auto get_device = find<int (*)(unsigned, void**)>("nvmlDeviceGetHandleByIndex_v2");
    energy_ = find<int (*)(void*, unsigned long long*)>("nvmlDeviceGetTotalEnergyConsumption");
    if (!init || !get_device || !energy_ || init() != 0 ||
        get_device(static_cast<unsigned>(index), &device_) != 0) {
      energy_ = nullptr;
    }
  }

  std::optional<double> joules() const {
    unsigned long long millijoules = 0;
    if (energy_ == nullptr || energy_(device_, &millijoules) != 0) return std::nullopt;
    return static_cast<double>(millijoules) * 1e-3;
  }

 private:
  template <class F>
  F find(const char* name) {
    return reinterpret_cast<F>(::dlsym(library_, name));
  }

  void* library_ = nullptr;
  void* device_ = nullptr;
  int (*energy_)(void*, unsigned long long*) = nullptr;
};

}  // namespace

struct EnergyMeter::Impl {
  std::unique_ptr<Nvml> nvml;
  double nvml_start = 0.0;
  std::vector<RaplZone> zones;
};

EnergyMeter::EnergyMeter(int cuda_index) : impl_(std::make_unique<Impl>()) {
  if (cuda_index < 0) {
    impl_->zones = find_rapl_packages();
    return;
  }
  auto nvml = std::make_unique<Nvml>(cuda_index);
  if (const auto now = nvml->joules()) {
    impl_->nvml_start = *now;
    impl_->nvml = std::move(nvml);
  }
}

EnergyMeter::~EnergyMeter() = default;

std::optional<double> EnergyMeter::joules() {
  if (impl_->nvml != nullptr) {
    const auto now = impl_->nvml->joules();
    if (!now) return std::nullopt;
    return *now - impl_->nvml_start;
  }
  if (impl_->zones.empty()) return std::nullopt;
  double total = 0.0;
  for (RaplZone& zone : impl_->zones) {
    const auto now = read_number(zone.counter);
    if (!now) return std::nullopt;
    const uint64_t delta = *now >= zone.last ? *now - zone.last : *now + zone.range - zone.last;
    zone.joules += static_cast<double>(delta) * 1e-6;
    zone.last = *now;
    total += zone.joules;
  }
  return total;
}

std::string EnergyMeter::source() const {
  return impl_->nvml != nullptr ? "nvml" : impl_->zones.empty() ? "none" : "rapl";
}

}  // namespace apollo
