// Llama (Touvron et al. 2023; Grattafiori et al. 2024), as `transformers` has it: LlamaForCausalLM.
#include "arch/rotary_decoder.h"

namespace apollo {
namespace {

Json write_llama_config(const ModelSpec& spec, int64_t num_layers, const ConfigTokens& tokens) {
  Json config = write_rotary_decoder_config(spec, num_layers, tokens);
  config["architectures"] = {"LlamaForCausalLM"};
  config["model_type"] = "llama";
  config["mlp_bias"] = false;
  return config;
}

ModelSpec read_llama_config(const ConfigReader& reader) {
  reader.require("mlp_bias", {false});
  return read_rotary_decoder_config(reader, /*default_head_dim=*/0);
}

}  // namespace

const ArchitectureInfo& llama_info() {
  static const ArchitectureInfo info = {
      .name = "llama",
      .title = "Llama",
      .objective = Objective::kCausal,
      .sequence_classifier_class = "LlamaForSequenceClassification",
      .norm_epsilon = 1e-6,
      .inner_width = rotary_decoder_inner_width,
      .rope_theta = 10000.0,
      .tied = false,
      .groups_queries = true,
      .may_untie = true,
      .parameters =
          [](const ModelSpec& spec, int64_t num_layers) {
            return rotary_decoder_parameters(spec, num_layers, /*qk_norm=*/false);
          },
      .block_products =
          [](const ModelShape& shape, int64_t /*place*/) {
            return rotary_decoder_block_products(shape, /*qk_norm=*/false);
          },
      .head_products = rotary_decoder_head_products,
      .write_config = write_llama_config,
      .read_config = read_llama_config,
      .names = rotary_decoder_names()};
  return info;
}

}  // namespace apollo
