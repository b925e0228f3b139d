#include "config/resolved_config.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

namespace apollo {

std::string location(const ResolvedConfig& resolved, const std::string& path) {
  const auto origin = resolved.origins.find(path);
  const bool written = origin != resolved.origins.end() && origin->second != "model.size" &&
                       !origin->second.starts_with("method ");
  return written ? origin->second : path;
}

Diagnostic located(const ResolvedConfig& resolved, const Diagnostic& fault) {
  // For a key that is not in the file ("progressive.stages[0].until"), points at what should hold
  // it.
  for (std::string path = fault.where; !path.empty();) {
    const std::string where = location(resolved, path);
    if (where != path) return {where, fault.where + ": " + fault.message, fault.hint};
    const size_t cut = path.find_last_of(".[");
    path.resize(cut == std::string::npos ? 0 : cut);
  }
  return fault;
}

void throw_if_any(std::vector<Diagnostic> faults, const ResolvedConfig& resolved) {
  if (faults.empty()) return;
  const std::string prefix = resolved.file.string() + ":";
  const auto place = [&](const Diagnostic& fault) {
    std::pair<int, int> line_column = {std::numeric_limits<int>::max(), 0};
    if (fault.where.starts_with(prefix)) {
      std::sscanf(fault.where.c_str() + prefix.size(), "%d:%d", &line_column.first,
                  &line_column.second);
    }
    return line_column;
  };
  std::stable_sort(faults.begin(), faults.end(),
                   [&](const Diagnostic& a, const Diagnostic& b) { return place(a) < place(b); });
  throw ConfigError(std::move(faults));
}

}  // namespace apollo
