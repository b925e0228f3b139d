// Ranks that communicate by NCCL, with one GPU each. This is built if LibTorch is a CUDA build and
// the headers of NCCL and of the CUDA runtime are found; otherwise joining reports that.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>

#include "parallel/workers.h"

namespace apollo {

// Meets the other ranks as join_by_gloo() does. `device`: this rank's own GPU.
std::unique_ptr<Workers> join_by_nccl(const Launch& launch, at::Device device,
                                      const std::filesystem::path& meeting_folder,
                                      std::chrono::milliseconds timeout);

}  // namespace apollo
