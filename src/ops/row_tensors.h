// Tensors as the matrices that row_kernels.h works on; for the operators of this folder.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <initializer_list>
#include <type_traits>

#include "ops/elementwise.h"
#include "ops/row_kernels.h"

namespace apollo {

inline bool is_dense(const at::Tensor& x, at::ScalarType type) {
  return x.device().is_cpu() && x.scalar_type() == type && x.layout() == at::kStrided &&
         x.is_contiguous();
}

inline bool is_dense_float(const at::Tensor& x) {
  return is_dense(x, at::kFloat);
}

// Whether the kernels can work on x: [..., W] as [N, W].
inline bool is_matrix(const at::Tensor& x) {
  return x.dim() >= 1 && x.size(-1) > 0 && (is_dense_float(x) || is_dense(x, at::kBFloat16));
}

// Calls body(T{}) with the type T of the elements of x: float, or Bf16.
template <class Body>
auto with_element_of(const at::Tensor& x, const Body& body) {
  return x.scalar_type() == at::kBFloat16 ? body(Bf16{}) : body(float{});
}

// Returns the elements of a tensor of type T, or null if it is undefined.
template <class T>
T* data_of(const at::Tensor& x) {
  if (!x.defined()) return nullptr;
  if constexpr (std::is_const_v<T>) {
    return static_cast<T*>(x.const_data_ptr());
  } else {
    return static_cast<T*>(x.mutable_data_ptr());
  }
}

template <class T>
const ElementKernels<T>& element_kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return row_kernels().fp32;
  } else {
    return row_kernels().bf16;
  }
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
      : PartialSums(num_rows(x), x.size(-1), count, x.options().dtype(at::kFloat)) {}
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
