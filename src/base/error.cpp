#include "base/error.h"

#include <csignal>

namespace apollo {
namespace {

std::string join(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& d : diagnostics) {
    if (!text.empty()) text += '\n';
    text += fmt::format("{}: error: {}", d.where, d.message);
    if (!d.hint.empty()) text += fmt::format("\n  hint: {}", d.hint);
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
