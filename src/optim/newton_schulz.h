// A matrix made nearly orthogonal by products alone: five steps of a quintic Newton-Schulz
// iteration (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon). With A = X X^T a step
// is
//
//   X <- a X + (b A + c A A) X,   a = 3.4445, b = -4.7750, c = 2.0315,
//
// which takes each singular value s of X to a s + b s^3 + c s^5. The coefficients make small ones
// grow as fast as can be; what comes out lies between 0.7 and 1.2, not at 1.
#pragma once

#include <ATen/core/Tensor.h>

namespace apollo {

// U V^T, nearly, of each matrix U S V^T. matrices: [N, R, C], float32 with R <= C -> a new tensor
// of the same shape. Float32 on a CPU; on a GPU the iteration runs in bfloat16 from a norm in
// float32.
at::Tensor orthogonalized(const at::Tensor& matrices_NRC);

// How many matrices [rows, columns] are best handed over at once: on a GPU, and where they are
// small and their sizes multiples of 16, as many as a buffer of moderate size holds; else one. A
// function of the shape alone. On a CPU a matrix comes out with the same bits whatever others are
// handed over with it.
int64_t orthogonalized_at_once(int64_t rows, int64_t columns, at::Device device);

}  // namespace apollo
