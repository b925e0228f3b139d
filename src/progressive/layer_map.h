// Which layer comes from which, for growth N -> N' and sharing N -> D, in integer arithmetic.
// "Preparing Lessons for Progressive Training on Language Models" (AAAI 2024), section 3.
//
// Nesting theorem: if N divides N', then sharing_map(N -> D) equals compose(growth_map(N -> N'),
// sharing_map(N' -> D)) for every D >= N', because floor(floor(i*N'/D)*N/N') = floor(i*N/D). So
// growth leaves the function at every such depth exactly unchanged. The same holds for `stack`,
// because (i mod N') mod N = i mod N.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/run_config.h"

namespace apollo {

// map[i] is the source of layer i. kFresh means that it has none and is newly initialised.
using LayerMap = std::vector<int64_t>;
inline constexpr int64_t kFresh = -1;

// Returns the map of growth from `source` (S) to `target` (T) layers, 0 <= source <= target, with
// b = T - S new layers:
//
//   interpolate   floor(i*S/T).
//   stack         i mod S for whole repeats; a partial one takes the LAST layers (3->5: 0 1 2 1 2).
//                 Up to T = 2S these are copies of the b top layers on top (Gong et al. 2019; Yang
//                 et al. 2020).
//   middle_block  Of the S/b blocks of b layers, block number ceil(S/b/2) is repeated once (MIDAS;
//                 Saunshi et al. 2024).
//   middle        The b layers in the exact middle are repeated once, whatever blocks they belong
//                 to (LIDAS; Kapl et al. 2025).
//
// From 0 layers all are fresh. Throws UsageError out of range, and if b does not divide S
// (middle_block) or exceeds it (middle).
LayerMap growth_map(LayerMapKind kind, int64_t source, int64_t target);

// Returns the map with kFresh for every layer except the first of each source.
LayerMap without_copies(const LayerMap& map);

// Returns true for every layer that is not the first of its source, which is what growth added.
std::vector<bool> added_layers(const LayerMap& map);

// Whether the passes of a stage may share layers by this map. Growth by it then keeps the function
// (if N divides N').
bool shares_as_it_grows(LayerMapKind kind);

// Returns the map of a pass of `depth` over `unique` layers: block i runs with the weights of layer
// map[i]. interpolate: floor(i*N/D). stack: i mod N. middle_block and middle do not nest; they use
// interpolate's map, only for evaluation. 0 layers run only at depth 0.
LayerMap sharing_map(LayerMapKind kind, int64_t unique, int64_t depth);

// Returns the map that first applies `inner`, then looks its result up in `outer`:
// r[i] = outer[inner[i]].
LayerMap compose(const LayerMap& outer, const LayerMap& inner);

// Returns how often each of `unique` layers is used.
std::vector<int64_t> use_counts(const LayerMap& map, int64_t unique);

std::string to_string(const LayerMap& map);

}  // namespace apollo
