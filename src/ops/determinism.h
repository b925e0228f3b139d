// On a GPU, some operators of LibTorch add up in whatever order their threads come.
#pragma once

#include <c10/core/Device.h>

namespace apollo {

// From here on this process computes on `device` by operators whose results are the same bits in
// every run, and fails where there is none. To be called before the device is used, by the only
// thread. Nothing changes on the CPU, where all are such operators.
void use_deterministic_operators(c10::Device device);

}  // namespace apollo
