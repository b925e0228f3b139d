// Gradient norm and clipping. The norm is computed from fixed blocks of the buffer, which are added
// in order. So ranks that each have the gradients of one part find the same bits as a rank that has
// them all.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace apollo {

inline constexpr int64_t kNormBlock = 16384;

// Returns the Euclidean norms of the blocks of kNormBlock gradients, in float32 on their device.
// The last block may be shorter. A norm is not finite if any gradient of its block is not.
at::Tensor block_norms(const at::Tensor& gradients);

// Returns the norm of all gradients from the norms of all blocks, in order.
double norm_of_blocks(std::span<const double> norms);
// The same if all gradients are here.
double gradient_norm(const at::Tensor& gradients);

// Scales the gradients by the factor of torch.nn.utils.clip_grad_norm_ so that their norm, which is
// `norm`, becomes at most `largest` (0: no clipping). The gradients may be a part of those whose
// norm is `norm`.
void clip_gradients(const at::Tensor& gradients, double norm, double largest);

}  // namespace apollo
