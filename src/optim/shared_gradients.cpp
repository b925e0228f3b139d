#include "optim/shared_gradients.h"

#include <ATen/TensorOperators.h>

#include <cmath>

namespace apollo {

void divide_shared_gradients(ParameterSet& parameters, const std::vector<int64_t>& uses,
                             double power) {
  for (const ParameterSlot& slot : parameters.layout().slots()) {
    if (slot.spec.layer < 0) continue;
    const int64_t count = uses.at(static_cast<size_t>(slot.spec.layer));
    if (count <= 1) continue;
    slot_view(parameters.gradients(), slot).div_(std::pow(static_cast<double>(count), power));
  }
}

}  // namespace apollo
