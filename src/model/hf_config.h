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

// The spec that a config.json describes; shape.layers is the file's number of layers. Throws
// CheckpointError naming the key where a value is missing or asks for something that Apollo does
// not compute (another activation, scaled attention, cross-attention, ...).
ModelSpec read_hf_config(const std::filesystem::path& path);

}  // namespace apollo
