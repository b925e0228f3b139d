// What Llama and Qwen3 share: pre-RMSNorm blocks without biases, rotary positions in the form that
// `transformers` calls rotate_half, a gated MLP (SwiGLU), fewer key-value heads than query heads,
// and an output layer that is either the embedding's or its own.
//
// Queries, keys and values are one parameter here and three in a folder. The MLP's gate and its
// other factor ("up") are one parameter here and two in a folder.
#pragma once

#include <vector>

#include "arch/architecture.h"

namespace apollo {

// `qk_norm`: queries and keys are normalised per head before they are rotated.
std::vector<ParameterSpec> rotary_decoder_parameters(const ModelSpec& spec, int64_t num_layers,
                                                     bool qk_norm);
std::vector<MatrixProduct> rotary_decoder_block_products(const ModelShape& shape, bool qk_norm);
std::vector<MatrixProduct> rotary_decoder_head_products(const ModelShape& shape);

// Returns two thirds of the usual 4 * width, rounded up to a multiple of 16: a gated MLP has three
// matrices instead of two.
int64_t rotary_decoder_inner_width(int64_t width);

// Writes the keys that both share, for transformers 5 (rope_parameters, dtype) and transformers 4
// (rope_theta, rope_scaling, torch_dtype).
Json write_rotary_decoder_config(const ModelSpec& spec, int64_t num_layers,
                                 const ConfigTokens& tokens);
// `default_head_dim` is used where the config names none; 0: width / heads.
ModelSpec read_rotary_decoder_config(const ConfigReader& reader, int64_t default_head_dim);

WeightNames rotary_decoder_names();

}  // namespace apollo
