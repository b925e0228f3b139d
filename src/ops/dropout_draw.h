// Which elements a pass of dropout zeroes: a function of this and of their places, so that a
// backward pass zeroes the same without a mask that is kept (dropout_mask.h).
#pragma once

#include <cstdint>

namespace apollo {

struct DropoutDraw {
  double probability = 0.0;  // in [0, 1); 0: none
  uint64_t key = 0;
};

}  // namespace apollo
