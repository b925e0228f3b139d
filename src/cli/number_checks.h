// Checks of numbers on the command line. The messages of CLI11's own hold the largest double, in
// 300 digits.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <optional>
#include <string>

#include "config/value_names.h"

namespace apollo {

inline std::optional<double> finite_number(const std::string& text) {
  double value = 0.0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

inline CLI::Validator at_least_zero() {
  return {[](std::string& text) {
            const bool fits = finite_number(text).value_or(-1.0) >= 0.0;
            return fits ? "" : fmt::format("expected a number from 0 on, found '{}'", text);
          },
          "NONNEGATIVE"};
}

inline CLI::Validator above_zero() {
  return {[](std::string& text) {
            const bool fits = finite_number(text).value_or(-1.0) > 0.0;
            return fits ? "" : fmt::format("expected a number above 0, found '{}'", text);
          },
          "POSITIVE"};
}

// Takes "10M" and "9e9" and hands the number on.
inline CLI::Validator counted() {
  return {[](std::string& text) {
            const auto count = parse_amount(text);
            if (!count) {
              return fmt::format(
                  "expected a number from 1 to 1e18, for example 9e9 or 10M, found '{}'", text);
            }
            text = std::to_string(*count);
            return std::string();
          },
          "COUNT"};
}

}  // namespace apollo
