// Converts between config.json of Hugging Face and ModelSpec.
#pragma once

#include <filesystem>

#include "arch/architecture.h"
#include "text/tokenizer.h"

namespace apollo {

// Returns the id as a value of config.json: a number or null.
Json id_json(const std::optional<TokenId>& id);

// Returns the special tokens of a model that uses this tokenizer (null: no tokenizer). A GPT pads
// with the token that ends its documents.
ConfigTokens config_tokens(const Tokenizer* tokenizer);

// Returns config.json of a model with `num_layers` layers.
Json to_hf_config(const ModelSpec& spec, int64_t num_layers, const ConfigTokens& tokens);

// A model together with the number of layers that its config.json states.
struct DescribedModel {
  const ModelSpec& spec;
  int64_t num_layers = 0;
};

// Returns config.json of a model that was made from another: `source`, changed where `from` and
// `to` differ. So everything that Apollo does not know (labels, lists of end tokens, settings of
// tasks) stays as it was.
Json derived_hf_config(Json source, const DescribedModel& from, const DescribedModel& to);

struct HfConfig {
  ModelSpec spec;
  int64_t num_layers = 0;  // unique layers in the folder
};

// Reads a config.json. In a folder written by Apollo, the key "apollo" says how deep the final
// model is and how layers are shared; without that key the model is already final. Throws
// CheckpointError with the name of the key if a value is missing or asks for something that Apollo
// does not compute (another activation, scaled attention, cross-attention, ...).
HfConfig read_hf_config(const std::filesystem::path& path);

}  // namespace apollo
