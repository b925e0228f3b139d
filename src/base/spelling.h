// Guesses what was meant by an unknown name.
#pragma once

#include <cstdint>
#include <string>

namespace apollo {

// Returns the Levenshtein distance in bytes.
int64_t edit_distance(const std::string& a, const std::string& b);

// Returns the name among `names` that is nearest to `name` by edit distance, or "" if none is near
// enough to be a typing error (distance above a third of its length).
template <class Names>
std::string nearest_name(const std::string& name, const Names& names) {
  std::string best;
  int64_t best_distance = static_cast<int64_t>(name.size()) / 3 + 1;
  for (const auto& candidate : names) {
    const int64_t distance = edit_distance(name, std::string(candidate));
    if (distance <= best_distance && (best.empty() || distance < best_distance)) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

// Returns the hint "did you mean 'NAME'?", or `otherwise` if no name is near.
template <class Names>
std::string did_you_mean(const std::string& name, const Names& names,
                         const std::string& otherwise = "") {
  const std::string nearest = nearest_name(name, names);
  return nearest.empty() ? otherwise : "did you mean '" + nearest + "'?";
}

}  // namespace apollo
