// Depth samplers as tails P(D >= d); see the header for the formulas.
#include "progressive/depth_sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"

namespace apollo {

namespace {

constexpr double kLowest = 0.6;      // e: y at x = 1
constexpr double kHeadroom = 0.4;    // b - ratio, with b = y at x = x0
constexpr double kFirst = 1e-6;      // x0
constexpr double kSteepness = 20.0;  // of sigmoid

// Returns the largest x at which lvps still gives at least `depth`.
double lvps_bound(double depth, double unique, double highest) {
  const double n = (highest * kFirst - kLowest) / (kLowest - highest);
  const double m = kLowest * (n + 1.0);
  return m * unique / depth - n;
}

double sigmoid_bound(double depth, double unique, double highest) {
  const double y = depth / unique;
  return 0.5 + std::log((highest - y) / (y - kLowest)) / kSteepness;
}

// Returns P(D >= depth) for unique < depth <= layers.
double tail_probability(DepthSamplerKind kind, int64_t depth, int64_t unique, int64_t layers) {
  const double highest = static_cast<double>(layers) / static_cast<double>(unique) + kHeadroom;
  const auto share = [](double bound) {
    return std::clamp((bound - kFirst) / (1.0 - kFirst), 0.0, 1.0);
  };
  switch (kind) {
    case DepthSamplerKind::kLvps:
      return share(lvps_bound(depth, unique, highest));
    case DepthSamplerKind::kSigmoid:
      return share(sigmoid_bound(depth, unique, highest));
    case DepthSamplerKind::kUniform:
      return static_cast<double>(layers - depth + 1) / static_cast<double>(layers - unique + 1);
    case DepthSamplerKind::kDeepest:
      return 1.0;
    case DepthSamplerKind::kShallowest:
      return 0.0;
  }
  return 0.0;
}

}  // namespace

DepthDistribution::DepthDistribution(DepthSamplerKind kind, int64_t unique, int64_t layers)
    : unique_(unique), layers_(layers) {
  if (unique < 0 || layers < unique) {
    fail<UsageError>(
        "cannot sample depths of {} unique of {} layers: 0 <= unique <= layers must hold", unique,
        layers);
  }
  if (unique == 0) {
    tail_.assign(static_cast<size_t>(layers), 0.0);
    return;
  }
  tail_.reserve(layers - unique);
  for (int64_t depth = unique + 1; depth <= layers; ++depth) {
    tail_.push_back(tail_probability(kind, depth, unique, layers));
  }
}

double DepthDistribution::tail(int64_t depth) const {
  if (depth <= unique_) return 1.0;
  if (depth > layers_) return 0.0;
  return tail_[depth - unique_ - 1];
}

double DepthDistribution::probability(int64_t depth) const {
  if (depth < unique_) return 0.0;
  return tail(depth) - tail(depth + 1);
}

double DepthDistribution::mean() const {
  double mean = static_cast<double>(unique_);
  for (const double tail : tail_)
    mean += tail;
  return mean;
}

int64_t DepthDistribution::depth_at(double uniform) const {
  const auto deeper = std::partition_point(tail_.begin(), tail_.end(),
                                           [uniform](double tail) { return uniform < tail; });
  return unique_ + (deeper - tail_.begin());
}

bool DepthDistribution::fixed() const {
  return tail_.empty() || tail_.front() == 0.0 || tail_.back() == 1.0;
}

int64_t draw_depth(const DepthDistribution& distribution, uint64_t seed, int64_t step,
                   int64_t micro_step) {
  if (distribution.fixed()) return distribution.depth_at(0.5);
  return distribution.depth_at(random_uniform(seed, RngStream::kDepth, static_cast<uint64_t>(step),
                                              static_cast<uint32_t>(micro_step)));
}

LayerMap random_subnetwork(int64_t layers, int64_t depth, uint64_t seed, int64_t step,
                           int64_t micro_step) {
  LayerMap chosen = {0};
  // Selection sampling (Knuth, volume 2, algorithm S) of the layers in between.
  for (int64_t layer = 1; layer + 1 < layers; ++layer) {
    const auto wanted = static_cast<double>(depth - 1 - static_cast<int64_t>(chosen.size()));
    const auto left = static_cast<double>(layers - 1 - layer);
    const double uniform = random_uniform(seed, RngStream::kSubnetwork, static_cast<uint64_t>(step),
                                          static_cast<uint32_t>(micro_step * layers + layer));
    if (uniform * left < wanted) chosen.push_back(layer);
  }
  chosen.push_back(layers - 1);
  return chosen;
}

double stratified_uniform(uint64_t seed, int64_t index, int64_t window) {
  const auto width = static_cast<uint64_t>(window);
  const auto number = static_cast<uint64_t>(index / window);
  const auto place = static_cast<uint64_t>(index % window);
  // The order is place -> factor * place + shift (mod width). It is a permutation because the
  // factor and the width have no common divisor. The random shift makes each draw uniform.
  const uint64_t shift = random_bits(seed, RngStream::kStrata, number, 0) % width;
  uint64_t factor = random_bits(seed, RngStream::kStrata, number, 1) % width;
  while (std::gcd(factor, width) != 1)
    factor = (factor + 1) % width;
  const uint64_t stratum = (factor * place + shift) % width;
  const double within =
      random_uniform(seed, RngStream::kDepth, static_cast<uint64_t>(index), /*b=*/0);
  // The sum can round up to the width.
  return std::min((static_cast<double>(stratum) + within) / static_cast<double>(width),
                  1.0 - 0x1p-53);
}

}  // namespace apollo
