#include "progressive/methods/stage_shapes.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace apollo {

namespace {

// Returns the divisor of `number` in [smallest, largest] that is nearest to `wanted`.
int64_t nearest_divisor(int64_t number, double wanted, int64_t smallest, int64_t largest) {
  int64_t best = 0;
  for (int64_t divisor = smallest; divisor <= largest; ++divisor) {
    if (number % divisor != 0) continue;
    const bool nearer = std::abs(static_cast<double>(divisor) - wanted) <
                        std::abs(static_cast<double>(best) - wanted);
    if (best == 0 || nearer) best = divisor;
  }
  return best;
}

}  // namespace

std::vector<StageSpec> stages_that_divide(int64_t layers, const std::vector<StageShare>& shares,
                                          DurationUnit unit) {
  std::vector<StageSpec> stages = {{.layers = layers}};
  for (const StageShare& share : shares) {
    const int64_t next = stages.back().layers;
    const int64_t largest = std::max<int64_t>(1, next == layers ? layers - 1 : next);
    const int64_t count = nearest_divisor(next, share.of_layers * static_cast<double>(layers),
                                          /*smallest=*/1, largest);
    if (count == next) continue;
    stages.push_back({.layers = count, .until = Duration{share.until_percent, unit}});
  }
  std::reverse(stages.begin(), stages.end());
  return stages;
}

std::vector<StageSpec> stages_of_equal_steps(int64_t layers, int64_t wanted, double power) {
  const int64_t num_stages =
      nearest_divisor(layers, static_cast<double>(wanted), /*smallest=*/2, layers);
  double total = 0.0;
  for (int64_t i = 1; i <= num_stages; ++i)
    total += std::pow(static_cast<double>(i), power);
  std::vector<StageSpec> stages;
  double end = 0.0;
  for (int64_t i = 1; i < num_stages; ++i) {
    end += std::pow(static_cast<double>(i), power);
    stages.push_back({.layers = i * layers / num_stages,
                      .until = Duration{100.0 * end / total, DurationUnit::kPercentSteps}});
  }
  stages.push_back({.layers = layers});
  return stages;
}

void require_layers(const std::string& method, int64_t layers, int64_t least) {
  if (layers >= least) return;
  fail<UsageError>("method '{}' needs a model of at least {} layers (got {})", method, least,
                   layers);
}

}  // namespace apollo
