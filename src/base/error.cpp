#include "base/error.h"

#include <csignal>
#include <iterator>

namespace apollo {
namespace {

std::string join(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& d : diagnostics) {
    fmt::format_to(std::back_inserter(text), "{}{}: error: {}", text.empty() ? "" : "\n", d.where,
                   d.message);
    if (!d.hint.empty()) fmt::format_to(std::back_inserter(text), "\n  hint: {}", d.hint);
  }
  return text;
}

}  // namespace

ConfigError::ConfigError(std::vector<Diagnostic> diagnostics)
    : Error(join(diagnostics)), diagnostics_(std::move(diagnostics)) {}

Interrupted::Interrupted(int signal)
    : Error(fmt::format("stopped by {}", signal == SIGINT ? "SIGINT" : "SIGTERM")),
      signal_(signal) {}

}  // namespace apollo
