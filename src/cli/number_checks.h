// Checks of numbers on the command line. The messages of CLI11's own hold the largest double, in
// 300 digits.
#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <string>

#include "config/value_names.h"

namespace apollo {

inline CLI::Validator at_least_zero() {
  return {[](std::string& text) {
            double value = 0.0;
            const bool is_number = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
            return is_number && value >= 0.0
                       ? std::string()
                       : fmt::format("expected a number from 0 on, found '{}'", text);
          },
          "NONNEGATIVE"};
}

inline CLI::Validator above_zero() {
  return {[](std::string& text) {
            double value = 0.0;
            const bool is_number = CLI::detail::lexical_cast(text, value) && std::isfinite(value);
            return is_number && value > 0.0
                       ? std::string()
                       : fmt::format("expected a number above 0, found '{}'", text);
          },
          "POSITIVE"};
}

// Takes "10M" and "9e9" and hands the number on.
inline CLI::Validator counted() {
  return {[](std::string& text) {
            const auto count = parse_parameters(text);
            if (!count)
              return fmt::format("expected a number from 1 on, for example 9e9 or 10M, found '{}'",
                                 text);
            text = std::to_string(*count);
            return std::string();
          },
          "COUNT"};
}

}  // namespace apollo
