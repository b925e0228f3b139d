// Decides which elements a pass of dropout zeroes. They depend only on this and on their places, so
// a backward pass zeroes the same ones without a stored mask (dropout_mask.h).
#pragma once

#include <cstdint>

namespace apollo {

struct DropoutDraw {
  double probability = 0.0;  // in [0, 1); 0: none
  uint64_t key = 0;
};

}  // namespace apollo
