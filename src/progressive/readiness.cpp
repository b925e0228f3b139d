#include "progressive/readiness.h"

namespace apollo {

Gains expected_gains(const DepthProbe& last, const DepthProbe& now, double next_step_flops) {
  const auto steps = static_cast<double>(now.position.step - last.position.step);
  const double grown_loss = now.next_loss - (last.next_loss - now.next_loss);
  return {.own = (last.loss - now.loss) / (now.position.flops - last.position.flops),
          .next = (now.loss - grown_loss) / (steps * next_step_flops)};
}

bool is_ready(GrowWhen rule, const DepthProbe& now, const std::optional<Gains>& gains) {
  if (rule == GrowWhen::kReady) return now.next_loss <= now.loss;
  return gains && gains->next > 0.0 && gains->next > gains->own;
}

}  // namespace apollo
