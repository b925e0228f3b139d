#include "base/log.h"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/error.h"
#include "base/printable.h"

namespace apollo {
namespace {

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    sink->set_pattern("%v");
    spdlog::logger made("apollo", sink);
    made.flush_on(spdlog::level::info);
    return made;
  }();
  return instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kQuiet:
      return spdlog::level::off;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kInfo:
      return spdlog::level::info;
  }
  return spdlog::level::info;
}

}  // namespace

void set_log_level(LogLevel level) {
  logger().set_level(to_spdlog(level));
}

void add_log_file(const std::filesystem::path& path) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string());
    sink->set_pattern("%Y-%m-%d %H:%M:%S %v");
    logger().sinks().push_back(sink);
  } catch (const spdlog::spdlog_ex& error) {
    fail<Error>("{}: cannot write the log: {}", path.string(), error.what());
  }
}

void log_line(LogLevel level, std::string_view text) {
  const std::string shown = printable_lines(text);
  if (level == LogLevel::kWarning) {
    logger().log(spdlog::level::warn, fmt::format("warning: {}", shown));
  } else {
    logger().log(to_spdlog(level), shown);
  }
}

}  // namespace apollo
