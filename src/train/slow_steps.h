// Notices when steps have become far slower than before. Threads that share a core with other
// programs wait for each other's turns: two threads on a busy machine were 5.7 times as slow as
// one.
#pragma once

#include <algorithm>
#include <optional>

namespace apollo {

class SlowSteps {
 public:
  // This many intervals in a row, each this many times slower than the fastest, are no hiccup.
  static constexpr double kFactor = 3.0;
  static constexpr int kIntervals = 3;

  // Takes the rate of an interval of some seconds, in FLOP/s. When steps have been slow for long
  // enough, returns once how many times slower than the fastest they are; otherwise nothing.
  std::optional<double> add(double rate) {
    fastest_ = std::max(fastest_, rate);
    num_slow_ = rate * kFactor < fastest_ ? num_slow_ + 1 : 0;
    if (num_slow_ != kIntervals || told_) return std::nullopt;
    told_ = true;
    return fastest_ / rate;
  }

  // Models of another depth have other rates.
  void forget_rates() {
    fastest_ = 0.0;
    num_slow_ = 0;
  }

 private:
  double fastest_ = 0.0;
  int num_slow_ = 0;
  bool told_ = false;
};

}  // namespace apollo
