#include "base/progress.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "base/units.h"

namespace apollo {
namespace {

using namespace std::chrono_literals;

// Nothing is shown for operations that end sooner.
constexpr auto kQuietFor = 1s;
constexpr auto kTerminalInterval = 200ms;
constexpr auto kPlainInterval = 10s;

std::string format_amount(double amount, const std::string& unit) {
  return unit == "B" ? format_bytes(amount) : format_count(amount) + " " + unit;
}

}  // namespace

Progress::Progress(std::string label, double total, std::string unit)
    : label_(std::move(label)), unit_(std::move(unit)), total_(total) {}

Progress::~Progress() {
  finish();
}

void Progress::update(double done, const std::string& note) {
  done_ = done;
  const auto now = Clock::now();
  if (now - start_ < kQuietFor) return;
  if (now - last_draw_ < (shows_status() ? Clock::duration(kTerminalInterval) : kPlainInterval)) {
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
  if (last) show_status("");
  if (last || !shows_status()) {
    log_line(LogLevel::kInfo, line);
  } else {
    show_status(line);
  }
}

}  // namespace apollo
