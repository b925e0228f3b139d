// Ranks that communicate by gloo, the engine for CPUs that is part of LibTorch.
#pragma once

#include <memory>

#include "parallel/workers.h"

namespace apollo {

// Meets the other ranks at the launch's address, or through a file in `meeting_folder`.
std::unique_ptr<Workers> join_by_gloo(const Launch& launch,
                                      const std::filesystem::path& meeting_folder,
                                      std::chrono::milliseconds timeout);

}  // namespace apollo
