#include "base/duration.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/units.h"

namespace apollo {
namespace {

struct UnitName {
  std::string_view name;
  DurationUnit unit;
};

// The first name of a unit is the one that is printed.
constexpr std::array<UnitName, 20> kUnits = {
    {{"steps", DurationUnit::kSteps},
     {"step", DurationUnit::kSteps},
     {"tokens", DurationUnit::kTokens},
     {"token", DurationUnit::kTokens},
     {"epochs", DurationUnit::kEpochs},
     {"epoch", DurationUnit::kEpochs},
     {"flops", DurationUnit::kFlops},
     {"flop", DurationUnit::kFlops},
     {"hours", DurationUnit::kHours},
     {"hour", DurationUnit::kHours},
     {"minutes", DurationUnit::kMinutes},
     {"minute", DurationUnit::kMinutes},
     {"seconds", DurationUnit::kSeconds},
     {"second", DurationUnit::kSeconds},
     {"%", DurationUnit::kPercent},
     {"percent", DurationUnit::kPercent},
     {"% steps", DurationUnit::kPercentSteps},
     {"percent steps", DurationUnit::kPercentSteps},
     {"tokens per parameter", DurationUnit::kTokensPerParameter},
     {"token per parameter", DurationUnit::kTokensPerParameter}}};

double suffix_factor(char suffix) {
  switch (suffix) {
    case 'k':
      return 1e3;
    case 'M':
      return 1e6;
    case 'G':
      return 1e9;
    case 'B':
      return 1e9;
    case 'T':
      return 1e12;
    case 'P':
      return 1e15;
    case 'E':
      return 1e18;
    default:
      return 0.0;
  }
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Returns the shorter of fixed and scientific digits, as people write FLOPs: 5e12.
std::string short_number(double value) {
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
  std::string text(digits.data(), end);
  std::erase(text, '+');
  return text;
}

[[noreturn]] void reject(std::string_view text) {
  fail<UsageError>(
      "'{}' is not a duration: expected a number and a unit, one of steps, tokens, tokens per "
      "parameter, epochs, flops, hours, minutes, seconds, %, % steps (for example \"500 steps\", "
      "\"10M tokens\", \"2.5%\")",
      text);
}

}  // namespace

Duration parse_duration(std::string_view text) {
  const std::string_view trimmed = trim(text);
  Duration duration;
  const char* end = trimmed.data() + trimmed.size();
  const auto [rest, error] = std::from_chars(trimmed.data(), end, duration.value);
  if (error != std::errc() || !std::isfinite(duration.value) || duration.value < 0) reject(text);
  std::string_view unit(rest, static_cast<size_t>(end - rest));
  if (unit.size() > 1 && unit[1] == ' ' && suffix_factor(unit[0]) != 0.0) {
    duration.value *= suffix_factor(unit[0]);
    unit.remove_prefix(1);
  }
  unit = trim(unit);
  for (const UnitName& known : kUnits) {
    if (unit == known.name) {
      duration.unit = known.unit;
      return duration;
    }
  }
  reject(text);
}

bool is_share(const Duration& duration) {
  return duration.unit == DurationUnit::kPercent || duration.unit == DurationUnit::kPercentSteps;
}

std::optional<double> seconds_of(const Duration& duration) {
  switch (duration.unit) {
    case DurationUnit::kHours:
      return duration.value * 3600.0;
    case DurationUnit::kMinutes:
      return duration.value * 60.0;
    case DurationUnit::kSeconds:
      return duration.value;
    default:
      return std::nullopt;
  }
}

std::string to_string(const Duration& duration) {
  // fmt prints the shortest digits that read back as the same double.
  if (duration.unit == DurationUnit::kPercent) return fmt::format("{}%", duration.value);
  if (duration.unit == DurationUnit::kPercentSteps) return fmt::format("{}% steps", duration.value);
  if (duration.unit == DurationUnit::kFlops) return short_number(duration.value) + " flops";
  for (const UnitName& known : kUnits) {
    if (known.unit == duration.unit) return fmt::format("{} {}", duration.value, known.name);
  }
  return {};
}

std::string file_name(const Duration& duration) {
  double value = duration.value;
  std::string suffix;
  for (const char* next : {"k", "M", "G", "T", "P", "E"}) {
    const double shorter = value / 1e3;
    if (value < 1e3 || shorter * 1e3 != value || shorter * 10 != std::floor(shorter * 10)) break;
    value = shorter;
    suffix = next;
  }
  std::string unit;
  for (const UnitName& known : kUnits) {
    if (known.unit == duration.unit && known.name.front() != '%') {
      unit = known.name;
      break;
    }
  }
  std::replace(unit.begin(), unit.end(), ' ', '-');
  return fmt::format("{}{}-{}", value, suffix, unit);
}

}  // namespace apollo
