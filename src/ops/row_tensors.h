// Tensors as the matrices that row_kernels.h works on; for the operators of this folder.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <initializer_list>

#include "ops/elementwise.h"
#include "ops/row_kernels.h"

namespace apollo {

inline bool is_dense_float(const at::Tensor& x) {
  return x.device().is_cpu() && x.scalar_type() == at::kFloat && x.layout() == at::kStrided &&
         x.is_contiguous();
}

// Whether the kernels can work on x: [..., W] as [N, W].
inline bool is_matrix(const at::Tensor& x) {
  return x.dim() >= 1 && x.size(-1) > 0 && is_dense_float(x);
}

// Whether a parameter has one number for each column of x.
inline bool fits(const at::Tensor& parameter_W, const at::Tensor& x) {
  return parameter_W.dim() == 1 && parameter_W.size(0) == x.size(-1) && is_dense_float(parameter_W);
}

inline bool runs_own_kernels(const at::Tensor& x, std::initializer_list<at::Tensor> parameters,
                             Kernels kernels) {
  if (!has_own_kernels(x, kernels) || !is_matrix(x)) return false;
  for (const at::Tensor& parameter_W : parameters) {
    if (!fits(parameter_W, x)) return false;
  }
  return true;
}

inline int64_t num_rows(const at::Tensor& x) {
  return x.numel() / x.size(-1);
}

// Memory for `count` partial sums of each block of rows, and their totals.
class PartialSums {
 public:
  PartialSums(const at::Tensor& x, int64_t count)
      : PartialSums(num_rows(x), x.size(-1), count, x.options()) {}
  PartialSums(int64_t rows, int64_t width, int64_t count, const at::TensorOptions& options)
      : blocks_((rows + kBlockRows - 1) / kBlockRows),
        width_(width),
        partial_(at::empty({count, blocks_, width_}, options)) {}

  float* data(int64_t i) { return partial_.mutable_data_ptr<float>() + i * blocks_ * width_; }

  // Returns the total, [W], added in the order of the rows.
  at::Tensor total(int64_t i) {
    at::Tensor total_W = at::zeros({width_}, partial_.options());
    float* total = total_W.mutable_data_ptr<float>();
    const float* block = data(i);
    for (int64_t b = 0; b < blocks_; ++b, block += width_) {
      for (int64_t w = 0; w < width_; ++w)
        total[w] += block[w];
    }
    return total_W;
  }

 private:
  int64_t blocks_;
  int64_t width_;
  at::Tensor partial_;
};

}  // namespace apollo
