#include "progressive/growth_effect.h"

#include "progressive/layer_map.h"

namespace apollo {

bool growth_keeps_function(LayerMapKind kind, int64_t source, int64_t target, int64_t depth) {
  if (source < 1) return source == target;
  return compose(growth_map(kind, source, target), sharing_map(kind, target, depth)) ==
         sharing_map(kind, source, depth);
}

}  // namespace apollo
