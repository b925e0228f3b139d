// Growth by readiness (progressive.grow_when): whether to grow now, from what probes of the shared
// layers say. By the nesting theorem (layer_map.h) the loss right after growth is that of the
// shared layers at the next depth, so it is known before.
//
// ready: grow once that loss, l', is no worse than l, that at the stage's own depth.
//
// gain: grow once that promises the larger decrease of the loss per FLOP until the next probe,
// taken to lie as many steps ahead, n, as the last one, of losses l_0 and l'_0, lies behind:
//   staying   (l_0 - l) / F                      the loss falls on as it did in n steps of F FLOPs
//   growing   ((l - l') + (l'_0 - l')) / (n f')  n steps at the next depth cost f' FLOPs each
// Growing moves the loss from l to l' at once, and is then taken to lower it by as much as the last
// n steps lowered l'. Those trained shared layers, mostly at the lower depth; layers of their own
// at the full depth should do better, so the estimate is a cautious one, for the price of two
// evaluations. A stage stays while its cheap steps learn fast and ends when they flatten. The
// longer the interval, the less the jump l - l' weighs against the slopes. The first probe of a
// stage has none to be compared with.
#pragma once

#include <optional>

#include "progressive/schedule.h"

namespace apollo {

// Expected decrease of the loss per training FLOP, nats.
struct Gains {
  double own = 0.0;   // staying
  double next = 0.0;  // growing now
};

// `last`: an earlier probe of the same stage. `next_step_flops`: of a step at the next depth.
Gains expected_gains(const DepthProbe& last, const DepthProbe& now, double next_step_flops);

// What `rule`, ready or gain, says. `gains`: nothing at the first probe of a stage.
bool is_ready(GrowWhen rule, const DepthProbe& now, const std::optional<Gains>& gains);

}  // namespace apollo
