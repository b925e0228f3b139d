// run.matmul = "auto": chooses the library of matrix products that is fastest on this processor
// with the run's own shapes, by measuring and not by the processor's name. Results are kept in the
// user's cache, by processor, versions and shapes, so that equal runs make equal choices.
#pragma once

#include <c10/core/Device.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "progressive/measured_products.h"

namespace apollo {

// The seconds that the products take with each library: the best of a few rounds in turn.
struct MatmulTimes {
  double libtorch = 0.0;
  double onednn = 0.0;
};

MatmulTimes time_products(const std::vector<MeasuredProduct>& products);

// Returns oneDNN if it is faster by at least 5 %.
MatmulLibrary faster_library(const MatmulTimes& times);

// Returns the times of these products on this processor with these versions of the libraries. If
// the file `cache` does not have them, they are measured and written there. Returns nothing without
// oneDNN.
std::optional<MatmulTimes> known_times(const std::vector<MeasuredProduct>& products,
                                       const std::filesystem::path& cache);

// Returns the library that a new run of this process takes: the one that run.matmul names or, with
// "auto", the faster one, whose times it logs. Passes that it does not serve (on a GPU, in bf16, by
// the reference kernels) keep "auto".
MatmulLibrary choose_library(const RunConfig& config, const ModelShape& shape, at::Device device);

// Returns whether run.matmul leaves the choice to measuring.
bool measures_library(const RunConfig& config, at::Device device);

// Returns the library of a resumed run, which its state names (CheckpointInfo::matmul), with a
// warning if it is not installed or has another version.
MatmulLibrary library_of_state(const std::string& name);

}  // namespace apollo
