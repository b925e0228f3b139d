// config.json of Hugging Face <-> ModelSpec.
#pragma once

#include <filesystem>

#include "arch/architecture.h"
#include "text/tokenizer.h"

namespace apollo {

// As a value of config.json.
Json id_json(const std::optional<TokenId>& id);

// Those of a model that works on the text of this tokenizer (null: none). A GPT pads with the token
// that ends its documents.
ConfigTokens config_tokens(const Tokenizer* tokenizer);

// config.json of a model with `num_layers` layers.
Json to_hf_config(const ModelSpec& spec, int64_t num_layers, const ConfigTokens& tokens);

// A model as its config.json describes it.
struct DescribedModel {
  const ModelSpec& spec;
  int64_t num_layers = 0;
};

// config.json of a model that was made from another: `source` with what differs between the two.
// So everything that Apollo does not know of (labels, lists of end tokens, settings of tasks) stays
// as it was.
Json derived_hf_config(Json source, const DescribedModel& from, const DescribedModel& to);

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
