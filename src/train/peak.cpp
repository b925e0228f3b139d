#include "train/peak.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <chrono>

#include "ops/matmul.h"

namespace apollo {
namespace {

using Clock = std::chrono::steady_clock;

// Large enough for a processor and a GPU to reach their best.
constexpr int64_t kSideCpu = 512;
constexpr int64_t kSideGpu = 8192;
constexpr int kMostProducts = 12;
constexpr double kSeconds = 0.05;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

double measure_peak_flops_per_second(at::Device device, Precision precision) {
  const at::NoGradGuard no_grad;
  const int64_t side = device.is_cpu() ? kSideCpu : kSideGpu;
  const at::ScalarType type = precision == Precision::kBf16 ? at::kBFloat16 : at::kFloat;
  const at::Tensor matrix = at::full({side, side}, 1.0 / static_cast<double>(side),
                                     at::TensorOptions(device).dtype(type));
  double best = 0.0;
  const auto begin = Clock::now();
  // The first product only sets the library up.
  for (int i = 0; i <= kMostProducts && (i < 3 || seconds_since(begin) < kSeconds); ++i) {
    const auto start = Clock::now();
    const at::Tensor product = matrix_product(matrix, matrix);
    product[0][0].item<float>();  // waits for the device
    const double seconds = seconds_since(start);
    if (i == 0 || best == 0.0 || seconds < best) best = seconds;
  }
  const auto length = static_cast<double>(side);
  return 2.0 * length * length * length / std::max(best, 1e-9);
}

}  // namespace apollo
