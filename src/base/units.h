// Numbers for people: 1.23M, 4.1e12 -> "4.10 TFLOP", 93 -> "1m33s". Nothing parses these.
#pragma once

#include <cstdint>
#include <string>

namespace apollo {

std::string format_count(double count);      // "812", "12.3k", "4.56M", "7.89B"
std::string format_bytes(double bytes);      // "812 B", "12.3 KiB", "4.56 MiB"
std::string format_flops(double flops);      // "4.10 TFLOP"
std::string format_seconds(double seconds);  // "0.8s", "42s", "1m33s", "2h05m", "3d04h"

// The name among `names` that is nearest to `name` by edit distance, or "" when none is near
// enough to be a typing error (distance above a third of its length).
template <class Names>
std::string nearest_name(const std::string& name, const Names& names);

// Levenshtein distance in bytes.
int64_t edit_distance(const std::string& a, const std::string& b);

template <class Names>
std::string nearest_name(const std::string& name, const Names& names) {
  std::string best;
  int64_t best_distance = static_cast<int64_t>(name.size()) / 3 + 1;
  for (const auto& candidate : names) {
    const int64_t distance = edit_distance(name, std::string(candidate));
    if (distance <= best_distance && (best.empty() || distance < best_distance)) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

}  // namespace apollo
