// The log: plain lines on stderr, and also in a file once a run folder exists. Results go to
// stdout.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace apollo {

enum class LogLevel { kQuiet, kWarning, kInfo, kDetail };

// Sets which lines stderr shows: those up to `level`, at first kInfo. A log file also takes
// details. kQuiet silences both.
void set_log_level(LogLevel level);
void log_line(LogLevel level, std::string_view text);

// Whether stderr is a terminal that shows the status line.
bool shows_status();
// Replaces the status line, the lowest line of a terminal, with `text`, cut at the terminal's
// width; empty: removes it. If stderr is no terminal, nothing happens.
void show_status(std::string_view text);

// During its lifetime every logged line, from any thread, is also appended to `path`, with its
// time. Throws Error if the file cannot be written.
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
