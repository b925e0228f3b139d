// How a report writes its numbers, on stdout, in Markdown and on the page alike. "–" is an unknown
// number.
#pragma once

#include <optional>
#include <string>

#include "base/spread.h"
#include "report/frontier.h"
#include "report/groups.h"
#include "report/savings.h"

namespace apollo {

inline constexpr const char* kUnknown = "–";

// "41.6 %"; "-12.0 %" if the run needed more; "not reached" for nullopt.
std::string format_saved(std::optional<double> fraction);
// "41.6 ± 1.2 %", "≥ 50.0 %"; a single value and a bound have no deviation.
std::string format_saved(const std::optional<Spread>& spread, Bound bound = Bound::kExact);
// The claimed saving at equal loss, for good; "35.0 to 42.0 %" if evaluations are too far apart for
// one number.
std::string format_saved_for_good(const EqualLoss& equal);
std::string format_saved_for_good(const RunGroup& group);
// "1.71x" for a saved fraction; "≥ 2.00x" for a bound.
std::string format_speed_up(std::optional<double> saved_fraction);
std::string format_speed_up(const std::optional<Spread>& saved, Bound bound = Bound::kExact);
// "1.4012 ± 0.0031"; a single value has no deviation.
std::string format_spread(const std::optional<Spread>& spread, int digits);
// "1.4012 to 1.4988": the 95 % interval of the mean; a single value has none.
std::string format_interval(const std::optional<Spread>& spread, int digits);
// The same for a share, "40.1 to 43.1 %"; a bound has none.
std::string percent_interval(const std::optional<Spread>& spread, Bound bound = Bound::kExact);
// A change of loss by growth; "0" if it is exactly zero, which "+0.0000" would not show.
std::string format_jump(const std::optional<Spread>& jump);
std::string format_accuracy(double accuracy);  // "41.57 %"
std::string format_energy(double joules);      // "0.42 Wh", "1.30 kWh"

}  // namespace apollo
