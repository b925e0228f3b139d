// Self-attention through the best kernel of the device, and its plain form.
#pragma once

#include <ATen/core/Tensor.h>

#include "config/run_config.h"

namespace apollo {

// softmax(q k^T / sqrt(K)) v for every head, with dropout on the weights.
// q, k, v: [B, H, T, K]; returns [B, H, T, K]. `causal`: position t sees positions <= t.
// `visible`: bool, which positions (last dimension) each position sees, or undefined for all; not
// together with `causal`. Every position must see at least one.
// kFused: the device's fused kernel, which never holds the T x T weights (with dropout 0; with
// dropout the CPU has only the plain form). kReference: matrix products and a softmax.
at::Tensor attention(const at::Tensor& q_BHTK, const at::Tensor& k_BHTK, const at::Tensor& v_BHTK,
                     bool causal, const at::Tensor& visible_B1TT, double dropout, Kernels kernels);

}  // namespace apollo
