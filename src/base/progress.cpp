#include "base/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "base/log.h"
#include "base/units.h"

namespace apollo {
namespace {

using namespace std::chrono_literals;

// Nothing is shown for what ends sooner.
constexpr auto kQuietFor = 1s;
constexpr auto kTerminalInterval = 200ms;
constexpr auto kPlainInterval = 10s;

std::string format_amount(double amount, const std::string& unit) {
  return unit == "B" ? format_bytes(amount) : format_count(amount) + " " + unit;
}

}  // namespace

Progress::Progress(std::string label, double total, std::string unit)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      on_terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  finish();
}

void Progress::update(double done, const std::string& note) {
  done_ = done;
  const auto now = Clock::now();
  if (now - start_ < kQuietFor) return;
  if (now - last_draw_ < (on_terminal_ ? Clock::duration(kTerminalInterval) : kPlainInterval)) {
    return;
  }
  note_ = note;
  last_draw_ = now;
  draw(/*last=*/false);
}

void Progress::finish() {
  if (std::exchange(finished_, true) || !drawn_) return;
  draw(/*last=*/true);
}

void Progress::draw(bool last) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double rate = seconds > 0 ? done_ / seconds : 0.0;
  std::string line = fmt::format("{}: {}", label_, format_amount(done_, unit_));
  if (total_ > 0 && !last) {
    line += fmt::format(" of {} ({:.0f} %)", format_amount(total_, unit_), 100 * done_ / total_);
  }
  line += fmt::format(", {}/s", format_amount(rate, unit_));
  if (last) {
    line += fmt::format(", {}", format_seconds(seconds));
  } else if (total_ > 0 && rate > 0) {
    line += fmt::format(", {} left", format_seconds((total_ - done_) / rate));
  }
  if (!note_.empty() && !last) line += fmt::format("  {}", note_);
  drawn_ = true;
  if (!on_terminal_) {
    log_line(LogLevel::kInfo, line);
    return;
  }
  // Back to the line's start and erase it, so that a shorter text leaves nothing behind.
  fmt::print(stderr, "\r\x1b[K{}{}", line, last ? "\n" : "");
  std::fflush(stderr);
}

}  // namespace apollo
