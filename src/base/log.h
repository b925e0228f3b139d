// The log: plain lines on stderr, and in a file once a run folder exists. Results go to stdout.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace apollo {

enum class LogLevel { kQuiet, kWarning, kInfo };

void set_log_level(LogLevel level);
// Copies every later line to `path`, appended.
void add_log_file(const std::filesystem::path& path);
void log_line(LogLevel level, std::string_view text);

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace apollo
