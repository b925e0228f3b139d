// Where the ranks of a launch meet before they can talk: a store of keys and values, served by rank
// 0 or by the launcher at an address, or kept in a file that all of them see.
#pragma once

#include <torch/csrc/distributed/c10d/Store.hpp>

#include <filesystem>

#include "parallel/launch.h"

namespace apollo {

// The store of the launch, a part of its own for every job. Throws c10::Error where rank 0 or the
// launcher cannot be reached in time.
c10::intrusive_ptr<c10d::Store> meet(const Launch& launch,
                                     const std::filesystem::path& meeting_folder);

}  // namespace apollo
