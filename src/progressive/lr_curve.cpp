#include "progressive/lr_curve.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace apollo {

double LrCurve::at(double progress) const {
  progress = std::clamp(progress, 0.0, 1.0);
  if (progress < warmup) return peak * progress / warmup;
  // How far the decay has gone, and which part of the way to the end that is.
  const double begin = kind == LrSchedule::kWsd ? std::max(warmup, 1.0 - decay) : warmup;
  const double t = begin < 1.0 ? std::max(0.0, (progress - begin) / (1.0 - begin)) : 0.0;
  double remaining = 1.0;
  switch (kind) {
    case LrSchedule::kCosine:
      remaining = 0.5 * (1.0 + std::cos(std::numbers::pi * t));
      break;
    case LrSchedule::kLinear:
      remaining = 1.0 - t;
      break;
    case LrSchedule::kWsd:
      remaining = 1.0 - std::sqrt(t);
      break;
    case LrSchedule::kConstant:
      break;
  }
  return peak * (final_fraction + (1.0 - final_fraction) * remaining);
}

}  // namespace apollo
