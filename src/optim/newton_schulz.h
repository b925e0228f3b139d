// Orthogonalizes matrices approximately, using only products: five steps of a quintic Newton-Schulz
// iteration (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon). With A = X X^T a step
// is
//
//   X <- a X + (b A + c A A) X,   a = 3.4445, b = -4.7750, c = 2.0315,
//
// which takes each singular value s of X to a s + b s^3 + c s^5. The coefficients make small ones
// grow as fast as possible. The results lie between 0.7 and 1.2, not at 1.
#pragma once

#include <ATen/core/Tensor.h>

namespace apollo {

// Returns approximately U V^T for each matrix U S V^T. matrices: [N, R, C], float32 with R <= C;
// the result is a new tensor of the same shape. On a GPU the norm is computed in float32 and the
// iteration in bfloat16; on a CPU everything is float32.
at::Tensor orthogonalized(const at::Tensor& matrices_NRC);

// Returns how many matrices [rows, columns] are best handed over at once. On a GPU, and on a CPU if
// they are small and their sizes are multiples of 16, that is as many as a buffer of moderate size
// holds; otherwise one. It depends only on the shape. On a CPU a matrix comes out with the same
// bits whatever others are handed over with it.
int64_t orthogonalized_at_once(int64_t rows, int64_t columns, at::Device device);

}  // namespace apollo
