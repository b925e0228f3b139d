#include "base/log.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/printable.h"

namespace apollo {
namespace {

struct Log {
  std::mutex mutex;
  LogLevel level = LogLevel::kInfo;
  std::vector<std::FILE*> files;
  std::string status;
};

// Never destroyed, because a thread may log while the program ends.
Log& the_log() {
  static Log& log = *new Log;
  return log;
}

std::string local_time() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
  return text;
}

// If a full disk or a closed terminal swallows a line, there is nothing more that we could say.
void write_line(std::FILE* file, std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), file);
  std::fflush(file);
}

int64_t columns_of_terminal() {
  winsize size{};
  const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

// Moves to the start of the status line and erases it.
constexpr std::string_view kErase = "\r\x1b[K";

void draw_status(const Log& log) {
  if (!log.status.empty()) write_line(stderr, log.status);
}

void erase_status(const Log& log) {
  if (!log.status.empty()) write_line(stderr, kErase);
}

}  // namespace

void set_log_level(LogLevel level) {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  log.level = level;
}

void log_line(LogLevel level, std::string_view text) {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  if (log.level == LogLevel::kQuiet || (level > log.level && log.files.empty())) return;
  const std::string line =
      fmt::format("{}{}\n", level == LogLevel::kWarning ? "warning: " : "", printable_lines(text));
  if (level <= log.level) {
    erase_status(log);
    write_line(stderr, line);
    draw_status(log);
  }
  const std::string dated = local_time() + " " + line;
  for (std::FILE* file : log.files)
    write_line(file, dated);
}

bool shows_status() {
  const bool is_terminal = ::isatty(STDERR_FILENO) == 1;
  const std::lock_guard lock(the_log().mutex);
  return is_terminal && the_log().level >= LogLevel::kInfo;
}

void show_status(std::string_view text) {
  if (!shows_status()) return;
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  erase_status(log);
  log.status = printable_lines(text.substr(0, static_cast<size_t>(columns_of_terminal() - 1)));
  draw_status(log);
}

LogFile::LogFile(const std::filesystem::path& path) : file_(std::fopen(path.c_str(), "ae")) {
  if (file_ == nullptr) {
    fail<Error>("{}: cannot write the log: {}", path.string(), std::strerror(errno));
  }
  const std::lock_guard lock(the_log().mutex);
  the_log().files.push_back(file_);
}

LogFile::~LogFile() {
  const std::lock_guard lock(the_log().mutex);
  std::erase(the_log().files, file_);
  std::fclose(file_);
}

}  // namespace apollo
