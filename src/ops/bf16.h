// An activation in bf16, the upper half of a float32. No function stands here, so that files of
// every instruction set may include this header (vector_math.h).
#pragma once

#include <cstdint>

namespace apollo {

struct Bf16 {
  uint16_t bits;
};

}  // namespace apollo
