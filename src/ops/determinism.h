// On a GPU, some operators of LibTorch add in whatever order their threads arrive.
#pragma once

#include <c10/core/Device.h>

namespace apollo {

// Makes this process compute on `device` only with operators whose results are the same bits in
// every run; an operator without such a form fails. Call it before the device is used, while there
// is only one thread. On the CPU nothing changes, because all operators are deterministic there.
void use_deterministic_operators(c10::Device device);

}  // namespace apollo
