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

// Where it is kept; one for each kind of processor, since machines may share a home.
std::filesystem::path last_rate_file();

// Writes it to `file`; what cannot be written is only measured again.
void keep_rate(const LastRate& rate, const std::filesystem::path& file);

// The one kept for this processor, where it is of a device that `config` may run on. Nothing where
// there is none, or the file is not one of these.
std::optional<LastRate> find_last_rate(const RunConfig& config, const std::filesystem::path& file);

}  // namespace apollo
