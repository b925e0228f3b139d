// What Llama and Qwen3 have in common: pre-RMSNorm blocks without biases, rotary positions in the
// form that `transformers` calls rotate_half, a gated MLP (SwiGLU), fewer heads of keys and values
// than of queries, an output layer that is the embedding's or its own.
//
// Queries, keys and values are one parameter here and three in a folder; so are the MLP's gate and
// its other factor ("up"), two in a folder.
#pragma once

#include <vector>

#include "arch/architecture.h"

namespace apollo {

// `qk_norm`: queries and keys pass a norm of each head before they are rotated.
std::vector<ParameterSpec> rotary_decoder_parameters(const ModelSpec& spec, int64_t num_layers,
                                                     bool qk_norm);
std::vector<MatrixProduct> rotary_decoder_block_products(const ModelShape& shape, bool qk_norm);
std::vector<MatrixProduct> rotary_decoder_head_products(const ModelShape& shape);

// Two thirds of the usual 4 * width, since a gated MLP has three matrices in place of two, rounded
// up to a multiple of 16.
int64_t rotary_decoder_inner_width(int64_t width);

// The keys that both have, for transformers 5 (rope_parameters, dtype) and 4 (rope_theta,
// rope_scaling, torch_dtype).
Json write_rotary_decoder_config(const ModelSpec& spec, int64_t num_layers,
                                 const ConfigTokens& tokens);
// `default_head_dim` is that of a config which leaves it out; 0: width / heads.
ModelSpec read_rotary_decoder_config(const ConfigReader& reader, int64_t default_head_dim);

WeightNames rotary_decoder_names();

}  // namespace apollo
