// Where the ranks of a launch meet before they can communicate: a key-value store, which rank 0 or
// the launcher serves at an address, or which is a file that all of them see.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <filesystem>

#include "parallel/launch.h"

namespace apollo {

// Returns the store of the launch, with a separate part for every job. Throws c10::Error if rank 0
// or the launcher cannot be reached in time.
c10::intrusive_ptr<c10d::Store> meet(const Launch& launch,
                                     const std::filesystem::path& meeting_folder);

}  // namespace apollo
