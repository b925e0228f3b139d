// config.json of Hugging Face <-> ModelSpec.
#pragma once

#include <filesystem>
#include <optional>

#include "base/json_lines.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace apollo {

// config.json of a model with `num_layers` layers.
Json to_hf_config(const ModelSpec& spec, int64_t num_layers, std::optional<TokenId> end_of_text);

struct HfConfig {
  ModelSpec spec;
  int64_t num_layers = 0;  // unique layers in the folder
};

// What a config.json describes. A folder of Apollo's says in its key "apollo" how deep the final
// model is and how layers are shared; without it the model is final as it is. Throws
// CheckpointError naming the key where a value is missing or asks for something that Apollo does
// not compute (another activation, scaled attention, cross-attention, ...).
HfConfig read_hf_config(const std::filesystem::path& path);

}  // namespace apollo
