// What happens to queries and keys between their projection and the attention. Rotary positions
// ("RoFormer", Su et al. 2021, section 3.4.2) have the form that `transformers` calls rotate_half.
// If the model has one, an RMSNorm of each head ("QK-norm", Henry et al. 2020; as in Qwen3) comes
// first.
//
// kFused runs our own kernel as elementwise.h says; otherwise, and with kReference, ATen's
// operators run. In mixed precision (mixed_precision.h) norms take float32, so qkv is cast for them
// and back.
#pragma once

#include <ATen/core/Tensor.h>

#include "arch/model_spec.h"
#include "config/run_config.h"

namespace apollo {

// Angle (t, i) turns elements i and i + R of a head at position t. R = K / 2.
struct RotationTable {
  at::Tensor cos_TR;
  at::Tensor sin_TR;
};

// Returns the angle by which each pair turns from one position to the next, [R]: theta^(-i / R),
// scaled as the rope says ("llama3": the function of that name in transformers'
// modeling_rope_utils.py). It is computed in float32 like in `transformers`, so that long contexts
// give the same angles.
at::Tensor rotation_frequencies(const Rope& rope, int64_t head_width);

// Returns the table of positions [first, first + length), for any length. The angle of position p
// is p * frequencies_R[i], computed in float32 as in `transformers`.
RotationTable rotation_table(const at::Tensor& frequencies_R, int64_t first, int64_t length);

// The weights of the norms, [K] each; undefined: the model has no such norm.
struct HeadNorms {
  at::Tensor query_K = {};
  at::Tensor key_K = {};
  double epsilon = 0.0;
};

// Returns qkv with queries and keys normalised and rotated, and values unchanged. qkv: [B, T, X] as
// in attention.h, X = (heads + 2 kv_heads) K with K even. Kept for the gradient: only the table,
// and with norms also qkv and one number per head.
at::Tensor rotate_queries_and_keys(const at::Tensor& qkv_BTX, int64_t heads, int64_t kv_heads,
                                   const RotationTable& table, const HeadNorms& norms,
                                   Kernels kernels);

}  // namespace apollo
