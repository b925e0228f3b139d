// What happens to queries and keys between their projection and the attention: rotary positions
// ("RoFormer", Su et al. 2021, section 3.4.2) in the form that `transformers` calls rotate_half,
// and before them, where the model has it, an RMSNorm of each head ("QK-norm", Henry et al. 2020;
// as in Qwen3).
//
// kFused runs an own kernel as elementwise.h says; elsewhere, and with kReference, ATen's
// operators.
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

// The angle that each pair turns by from one position to the next, [R]: theta^(-i / R), scaled as
// the rope says ("llama3": the function of that name in transformers' modeling_rope_utils.py). In
// the float32 arithmetic of `transformers`, so that long contexts give the same angles.
at::Tensor rotation_frequencies(const Rope& rope, int64_t head_width);

// Of positions [first, first + length), the angle of position p being p * frequencies_R[i]: formed
// in float32, as `transformers` does, for any length.
RotationTable rotation_table(const at::Tensor& frequencies_R, int64_t first, int64_t length);

// Weights of the norms, [K] each; undefined: the model has none.
struct HeadNorms {
  at::Tensor query_K = {};
  at::Tensor key_K = {};
  double epsilon = 0.0;
};

// qkv: [B, T, X] as in attention.h, X = (heads + 2 kv_heads) K with K even; queries and keys come
// out normed and rotated, values as they are. Kept for the gradient: nothing but the table, or with
// norms qkv and one number for each head.
at::Tensor rotate_queries_and_keys(const at::Tensor& qkv_BTX, int64_t heads, int64_t kv_heads,
                                   const RotationTable& table, const HeadNorms& norms,
                                   Kernels kernels);

}  // namespace apollo
