// A length of training with its unit, as users write it: "500 steps", "3 epochs", "2.5%",
// "1e15 flops", "10M tokens", "20 tokens per parameter", "1.5 hours". Text and value round-trip.
#pragma once

#include <string>
#include <string_view>

namespace apollo {

enum class DurationUnit { kSteps, kTokens, kEpochs, kFlops, kHours, kPercent, kTokensPerParameter };

struct Duration {
  double value = 0.0;
  DurationUnit unit = DurationUnit::kSteps;

  bool operator==(const Duration&) const = default;
};

// Throws UsageError naming the accepted forms where `text` is none of them, or is negative.
Duration parse_duration(std::string_view text);

// The shortest text that parse_duration reads back as the same value.
std::string to_string(const Duration& duration);

// The same as a name of a file, with the suffix that shortens it: "10M-tokens", "2.5-percent".
std::string file_name(const Duration& duration);

}  // namespace apollo
