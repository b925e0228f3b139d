// A length of training with its unit, as users write it: "500 steps", "3 epochs", "2.5%",
// "80% steps", "1e15 flops", "10M tokens", "20 tokens per parameter", "1.5 hours", "5 minutes".
// Text and value round-trip.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace apollo {

enum class DurationUnit {
  kSteps,
  kTokens,
  kEpochs,
  kFlops,
  kHours,
  kMinutes,
  kSeconds,
  kPercent,       // of the run's length, in its own unit
  kPercentSteps,  // of the run's steps
  kTokensPerParameter
};

struct Duration {
  double value = 0.0;
  DurationUnit unit = DurationUnit::kSteps;

  bool operator==(const Duration&) const = default;
};

// Whether it is a share of a run.
bool is_share(const Duration& duration);

// Returns a time in seconds; nothing if the unit is not one of time.
std::optional<double> seconds_of(const Duration& duration);

// Throws UsageError that names the accepted forms if `text` has none of them or is negative.
Duration parse_duration(std::string_view text);

// Returns the shortest text that parse_duration() reads back as the same value.
std::string to_string(const Duration& duration);

// Returns a text for file names, with the unit as a suffix: "10M-tokens", "2.5-percent".
std::string file_name(const Duration& duration);

}  // namespace apollo
