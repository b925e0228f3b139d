// GPT-2 (Radford et al. 2019) exactly as `transformers` computes GPT2LMHeadModel: pre-LN blocks,
// learned positions, tied head, tanh-approximated GELU, biases, dropout on the embedding, the
// attention weights and both residual branches.
#pragma once

#include <memory>
#include <vector>

#include "model/model.h"

namespace apollo {

std::unique_ptr<LanguageModel> make_gpt2(const ModelSpec& spec, int64_t num_layers,
                                         at::Device device);

// Initialisation: N(0, 0.02); the two projections into the residual stream N(0, 0.02/sqrt(2L))
// with the depth L of the final model; biases 0, norms 1.
std::vector<ParameterSpec> gpt2_parameters(const ModelSpec& spec, int64_t num_layers);

}  // namespace apollo
