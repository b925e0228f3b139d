// Progress of one long operation: rate, share done, ETA. On a terminal it is the status line
// (log.h), elsewhere a plain line now and then. Operations of less than a second or two show
// nothing.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace apollo {

class Progress {
 public:
  // `total` in `unit`s (for example "B", "tokens"); 0 if unknown.
  Progress(std::string label, double total, std::string unit);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Reports the amount done so far; cheap enough for every chunk. `note` is appended, for example a
  // file name.
  void update(double done, const std::string& note = "");
  // Ends the line with what was done and how fast. The destructor calls it if nobody did.
  void finish();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(bool last);

  std::string label_;
  std::string unit_;
  std::string note_;
  double total_;
  double done_ = 0.0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_draw_ = start_;
  bool drawn_ = false;
  bool finished_ = false;
};

}  // namespace apollo
