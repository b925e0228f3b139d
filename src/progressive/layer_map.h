// Which layer comes from which: growth N -> N' and sharing N -> D, in integer arithmetic.
// "Preparing Lessons for Progressive Training on Language Models" (AAAI 2024), section 3.
//
// Nesting theorem: if N divides N', then sharing_map(N -> D) equals
// compose(growth_map(N -> N'), sharing_map(N' -> D)) for every D >= N', because
// floor(floor(i*N'/D)*N/N') = floor(i*N/D). So growth leaves the function at every such depth
// exactly unchanged. For `stack` the same holds since (i mod N') mod N = i mod N.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/run_config.h"

namespace apollo {

// map[i] is the source of layer i.
using LayerMap = std::vector<int64_t>;

// Growth from `source` layers to `target`, 1 <= source <= target.
// interpolate: floor(i*S/T). stack: i mod S for whole repeats, a partial one takes the LAST layers
// (3->5: 0 1 2 1 2). Throws UsageError out of range.
LayerMap growth_map(LayerMapKind kind, int64_t source, int64_t target);

// A pass of depth `depth` over `unique` layers: block i runs with the weights of layer map[i].
// interpolate: floor(i*N/D). stack: i mod N.
LayerMap sharing_map(LayerMapKind kind, int64_t unique, int64_t depth);

// The map that first applies `inner`, then looks its result up in `outer`: r[i] = outer[inner[i]].
LayerMap compose(const LayerMap& outer, const LayerMap& inner);

// How often each of `unique` layers is used.
std::vector<int64_t> use_counts(const LayerMap& map, int64_t unique);

std::string to_string(const LayerMap& map);

}  // namespace apollo
