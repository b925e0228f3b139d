// Qwen3 (Yang et al. 2025), as `transformers` has it: Qwen3ForCausalLM, a Llama that normalises
// queries and keys per head.
#include "arch/rotary_decoder.h"

namespace apollo {
namespace {

Json write_qwen3_config(const ModelSpec& spec, int64_t num_layers, const ConfigTokens& tokens) {
  Json config = write_rotary_decoder_config(spec, num_layers, tokens);
  config["architectures"] = {"Qwen3ForCausalLM"};
  config["model_type"] = "qwen3";
  config["use_sliding_window"] = false;
  return config;
}

ModelSpec read_qwen3_config(const ConfigReader& reader) {
  reader.require("use_sliding_window", {false});
  if (const Json* types = reader.find("layer_types")) {
    for (const Json& type : *types) {
      if (type == Json("full_attention")) continue;
      reader.reject(
          fmt::format("key 'layer_types' names {}, which Apollo does not compute "
                      "(expected \"full_attention\")",
                      type.dump()));
    }
  }
  // The default of transformers' Qwen3Config.
  constexpr int64_t kDefaultHeadDim = 128;
  return read_rotary_decoder_config(reader, kDefaultHeadDim);
}

}  // namespace

const ArchitectureInfo& qwen3_info() {
  static const ArchitectureInfo info = {
      .name = "qwen3",
      .title = "Qwen3",
      .objective = Objective::kCausal,
      .sequence_classifier_class = "Qwen3ForSequenceClassification",
      .norm_epsilon = 1e-6,
      .inner_width = rotary_decoder_inner_width,
      .rope_theta = 10000.0,
      .tied = true,
      .groups_queries = true,
      .may_untie = true,
      .parameters =
          [](const ModelSpec& spec, int64_t num_layers) {
            return rotary_decoder_parameters(spec, num_layers, /*qk_norm=*/true);
          },
      .block_products =
          [](const ModelShape& shape, int64_t /*place*/) {
            return rotary_decoder_block_products(shape, /*qk_norm=*/true);
          },
      .head_products = rotary_decoder_head_products,
      .write_config = write_qwen3_config,
      .read_config = read_qwen3_config,
      .per_layer_keys = {"layer_types"},
      .names = rotary_decoder_names()};
  return info;
}

}  // namespace apollo
