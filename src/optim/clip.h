// Gradient norm and clipping. The norm is that of fixed blocks of the buffer, which are added in
// their order: ranks that have the gradients of a part of it each find the same bits as one that
// has all of them.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>

namespace apollo {

inline constexpr int64_t kNormBlock = 16384;

// Euclidean norms of the blocks of kNormBlock gradients, the last of which may be shorter: float32
// on their device. Not finite where any gradient of the block is not.
at::Tensor block_norms(const at::Tensor& gradients);

// The norm of all gradients from those of all blocks, in their order.
double norm_of_blocks(std::span<const double> norms);
// The same of gradients that are all here.
double gradient_norm(const at::Tensor& gradients);

// Scales the gradients so that their norm, which is `norm`, is at most `largest` (0: no clipping),
// by the factor of torch.nn.utils.clip_grad_norm_. Part of them where `norm` is that of all.
void clip_gradients(const at::Tensor& gradients, double norm, double largest);

}  // namespace apollo
