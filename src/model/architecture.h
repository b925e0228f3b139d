// All that the rest of model/ must know of an architecture. Adding one: a file that implements
// LanguageModel and fills in this description (gpt2.cpp, bert.cpp), its line in architecture.cpp,
// its value of `Architecture` and, where its blocks hold other products, its FLOPs.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json_lines.h"
#include "config/run_config.h"
#include "model/config_reader.h"
#include "model/hf_config.h"
#include "model/model.h"

namespace apollo {

// Names of Hugging Face, as they stand in model.safetensors of a model with its language head.
struct WeightNames {
  std::string_view body;                    // prefix of all but the heads
  std::string_view head;                    // prefix of the language head
  std::vector<std::string_view> beside;     // prefixes of other heads that are well known
  std::vector<std::string_view> constants;  // endings of constants that old versions saved
  // Tied parameters, of which a folder holds either or both: name and original.
  std::vector<std::pair<std::string_view, std::string_view>> tied;
  // Endings by which old folders call what has another name now.
  std::vector<std::pair<std::string_view, std::string_view>> renamed;
};

struct ArchitectureDescription {
  std::string_view model_type;  // in config.json
  double norm_epsilon = 1e-5;   // of a new model
  std::unique_ptr<LanguageModel> (*make)(const ModelSpec& spec, int64_t num_layers,
                                         at::Device device);
  std::vector<ParameterSpec> (*parameters)(const ModelSpec& spec, int64_t num_layers);
  // config.json, without the key "apollo".
  Json (*write_config)(const ModelSpec& spec, int64_t num_layers, const ConfigTokens& tokens);
  // Everything but layer_map; throws CheckpointError as read_hf_config() does.
  ModelSpec (*read_config)(const ConfigReader& reader);
  WeightNames names;
};

const ArchitectureDescription& gpt2_description();
const ArchitectureDescription& bert_description();

const ArchitectureDescription& describe(Architecture architecture);
// Null where none has that type.
const ArchitectureDescription* find_model_type(std::string_view model_type);

}  // namespace apollo
