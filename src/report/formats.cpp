#include "report/formats.h"

#include <fmt/format.h>

#include <cmath>

namespace apollo {
namespace {

constexpr const char* kNotReached = "not reached";

std::string bound_sign(Bound bound) {
  return bound == Bound::kAtLeast ? "≥ " : bound == Bound::kAtMost ? "≤ " : "";
}

}  // namespace

std::string format_saved(std::optional<double> fraction) {
  return fraction ? fmt::format("{:.1f} %", 100.0 * *fraction) : kNotReached;
}

std::string format_saved_for_good(const EqualLoss& equal) {
  if (!equal.is_range) return format_saved(equal.flops_saved_for_good);
  return fmt::format("{:.1f} to {:.1f} %", 100.0 * *equal.flops_saved_least,
                     100.0 * *equal.flops_saved_most);
}

std::string format_speed_up(std::optional<double> saved_fraction) {
  if (!saved_fraction || *saved_fraction >= 1.0) return kUnknown;
  return fmt::format("{:.2f}x", 1.0 / (1.0 - *saved_fraction));
}

std::string format_accuracy(double accuracy) {
  return fmt::format("{:.2f} %", 100.0 * accuracy);
}

std::string format_energy(double joules) {
  const double watt_hours = joules / 3600.0;
  return watt_hours >= 1000.0 ? fmt::format("{:.2f} kWh", watt_hours / 1000.0)
                              : fmt::format("{:.2f} Wh", watt_hours);
}

std::string format_speed_up(const std::optional<Spread>& saved, Bound bound) {
  return saved ? bound_sign(bound) + format_speed_up(saved->mean) : kUnknown;
}

std::string format_jump(const std::optional<Spread>& jump) {
  if (!jump) return kUnknown;
  if (jump->least == 0.0 && jump->greatest == 0.0) return "0";
  if (jump->n > 1) return format_spread(jump, 4);
  return std::abs(jump->mean) < 5e-5 ? fmt::format("{:+.0e}", jump->mean)
                                     : fmt::format("{:+.4f}", jump->mean);
}

std::string format_spread(const std::optional<Spread>& spread, int digits) {
  if (!spread) return kUnknown;
  if (spread->n == 1) return fmt::format("{:.{}f}", spread->mean, digits);
  return fmt::format("{:.{}f} ± {:.{}f}", spread->mean, digits, spread->deviation, digits);
}

std::string format_interval(const std::optional<Spread>& spread, int digits) {
  const auto half = spread ? spread->half_interval() : std::nullopt;
  if (!half) return kUnknown;
  return fmt::format("{:.{}f} to {:.{}f}", spread->mean - *half, digits, spread->mean + *half,
                     digits);
}

std::string percent_interval(const std::optional<Spread>& spread, Bound bound) {
  const auto half = spread ? spread->half_interval() : std::nullopt;
  if (!half || bound != Bound::kExact) return kUnknown;
  return fmt::format("{:.1f} to {:.1f} %", 100.0 * (spread->mean - *half),
                     100.0 * (spread->mean + *half));
}

std::string format_saved(const std::optional<Spread>& spread, Bound bound) {
  if (!spread) return kNotReached;
  std::string text = fmt::format("{}{:.1f}", bound_sign(bound), 100.0 * spread->mean);
  // The deviation of bounds says nothing about the savings.
  if (spread->n > 1 && bound == Bound::kExact) {
    text += fmt::format(" ± {:.1f}", 100.0 * spread->deviation);
  }
  return text + " %";
}

std::string format_saved_for_good(const RunGroup& group) {
  if (!group.flops_saved_for_good) return kNotReached;
  if (!group.is_range) return format_saved(group.flops_saved_for_good);
  return fmt::format("{:.1f} to {:.1f} %", 100.0 * group.flops_saved_least->mean,
                     100.0 * group.flops_saved_most->mean);
}

}  // namespace apollo
