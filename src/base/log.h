// The log: plain lines on stderr, and in a file once a run folder exists. Results go to stdout.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace apollo {

enum class LogLevel { kQuiet, kWarning, kInfo, kDetail };

// What stderr shows: lines up to `level`, to begin with kInfo. A log file takes details as well,
// and nothing takes anything with kQuiet.
void set_log_level(LogLevel level);
void log_line(LogLevel level, std::string_view text);

// Whether stderr is a terminal that shows the status line.
bool shows_status();
// The line below all others on a terminal, in the place of the one before, cut at the terminal's
// width; empty: none. Elsewhere nothing happens.
void show_status(std::string_view text);

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
void log_detail(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kDetail, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_line(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace apollo
