// The log: plain lines on stderr, and in a file once a run folder exists. Results go to stdout.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace apollo {

enum class LogLevel { kQuiet, kWarning, kInfo };

void set_log_level(LogLevel level);
void log_line(LogLevel level, std::string_view text);

// Every line that is logged in its lifetime, whatever thread logs it, goes to `path` too, with its
// time, appended. Throws Error where the file cannot be written.
class LogFile {
 public:
  explicit LogFile(const std::filesystem::path& path);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

 private:
  std::FILE* file_;
};

template <class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace apollo
