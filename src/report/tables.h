// The numbers of a report as tables, made once and shown twice: as text on stdout and in the HTML
// page, so that both always say the same.
#pragma once

#include <string>
#include <vector>

#include "report/comparison.h"

namespace apollo {

struct Table {
  std::string title;
  std::string explanation;
  std::vector<std::string> header;  // the first column is a name, the others are values
  std::vector<std::vector<std::string>> rows;
};

std::vector<Table> comparison_tables(const Comparison& comparison);
std::vector<Table> run_tables(const RunHistory& run);

// Plain text, at most `width` columns wide: names are shortened where it would be wider.
std::string to_text(const std::vector<Table>& tables, const std::vector<std::string>& notes,
                    size_t width = 100);

// "41.6 %"; "-12.0 %" where more was needed; "not reached" for nullopt.
std::string format_saved(std::optional<double> fraction);
// For good; "35.0 to 42.0 %" where evaluations lie too far apart for one number.
std::string format_saved_for_good(const EqualLoss& equal);
// "1.71x" for a saved fraction.
std::string format_speed_up(std::optional<double> saved_fraction);
std::string format_accuracy(double accuracy);  // "41.57 %"
std::string format_energy(double joules);      // "0.42 Wh", "1.30 kWh"

}  // namespace apollo
