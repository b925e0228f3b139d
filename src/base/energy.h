// Energy used by the devices that compute: NVML's total counter for NVIDIA, RAPL packages for a CPU
// if the system lets us read them. It is never invented: the result is nullopt if neither can be
// read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace apollo {

class EnergyMeter {
 public:
  // `cuda_index`: the GPU to read, or -1 for the CPU packages.
  explicit EnergyMeter(int cuda_index);
  ~EnergyMeter();
  // Joules since construction.
  std::optional<double> joules();
  // "nvml", "rapl" or "none".
  std::string source() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace apollo
