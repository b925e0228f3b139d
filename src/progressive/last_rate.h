// The rate at which this machine trained last, in the user's cache: what `apollo plan` predicts
// times with.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "config/run_config.h"

namespace apollo {

struct LastRate {
  double flops_per_second = 0.0;
  std::string device;  // "cpu", "cuda:0"
  int64_t threads = 0;

  bool operator==(const LastRate&) const = default;
};

// Returns the file that holds it. The file has one rate per kind of processor, because machines may
// share a home folder.
std::filesystem::path last_rate_file();

// Writes the rate to `file`. A file that cannot be written is no error: the rate is measured again.
void keep_rate(const LastRate& rate, const std::filesystem::path& file);

// Returns the rate of this processor if it was measured on a device that `config` may run on, else
// nullopt. A damaged file holds no rate.
std::optional<LastRate> find_last_rate(const RunConfig& config, const std::filesystem::path& file);

}  // namespace apollo
