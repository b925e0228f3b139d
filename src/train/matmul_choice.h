// run.matmul = "auto": the library of matrix products that is fastest on this processor with the
// run's own shapes, found by measuring and not by the processor's name. What was found is kept in
// the user's cache, by processor, versions and shapes, so that runs alike choose alike.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "progressive/measured_products.h"

namespace apollo {

// Seconds that the products take with each library: the best of a few rounds in turn.
struct MatmulTimes {
  double libtorch = 0.0;
  double onednn = 0.0;
};

MatmulTimes time_products(const std::vector<MeasuredProduct>& products);

// oneDNN where it is faster by 5 % at least.
MatmulLibrary faster_library(const MatmulTimes& times);

// The times of these products on this processor with these versions of the libraries; measured
// where the file `cache` does not hold them, and then written there. Without oneDNN: nothing.
std::optional<MatmulTimes> known_times(const std::vector<MeasuredProduct>& products,
                                       const std::filesystem::path& cache);

// The library of a run that goes on, which its state names (CheckpointInfo::matmul): with a warning
// where it is not installed, or in another version.
MatmulLibrary library_of_state(const std::string& name);

}  // namespace apollo
