#include "base/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace apollo {
namespace {

// Returns three significant digits and the suffix for the right power of `base`.
template <size_t N>
std::string scaled(double value, double base, const std::array<std::string_view, N>& suffixes) {
  size_t power = 0;
  while (std::abs(value) >= base * 0.9995 && power + 1 < N) {
    value /= base;
    ++power;
  }
  if (power == 0 && value == std::floor(value)) {
    return fmt::format("{:.0f}{}", value, suffixes[0]);
  }
  const int decimals = std::abs(value) < 9.995 ? 2 : std::abs(value) < 99.95 ? 1 : 0;
  return fmt::format("{:.{}f}{}", value, decimals, suffixes[power]);
}

}  // namespace

std::string format_count(double count) {
  return scaled(count, 1e3, std::array<std::string_view, 5>{"", "k", "M", "B", "T"});
}

std::string format_bytes(double bytes) {
  return scaled(bytes, 1024, std::array<std::string_view, 5>{" B", " KiB", " MiB", " GiB", " TiB"});
}

std::string format_flops(double flops) {
  return scaled(flops, 1e3,
                std::array<std::string_view, 8>{" FLOP", " kFLOP", " MFLOP", " GFLOP", " TFLOP",
                                                " PFLOP", " EFLOP", " ZFLOP"});
}

std::string format_seconds(double seconds) {
  if (!(seconds >= 0)) return "?";
  if (seconds < 9.95) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400) return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
}

}  // namespace apollo
