// The gradient of a layer that a pass uses r times is the sum of r; dividing it by r^p makes it
// less of one (p = 1: their mean), so that clipping and the moments see layers alike.
#pragma once

#include <cstdint>
#include <vector>

#include "model/parameters.h"

namespace apollo {

// Divides the gradients of each layer by uses[layer]^power.
void divide_shared_gradients(ParameterSet& parameters, const std::vector<int64_t>& uses,
                             double power);

}  // namespace apollo
