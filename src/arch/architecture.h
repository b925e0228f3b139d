// What an architecture is, without a tensor: what it learns from, its parameters, its products of
// matrices, its config.json and the names that Hugging Face gives its weights. One file each
// (gpt2.cpp, bert.cpp, llama.cpp, qwen3.cpp, modernbert.cpp); parameters, bytes and FLOPs follow
// from the lists (counts.h). How it computes is the one other thing to be written, in model/.
//
// Nothing outside of arch/ and the model's own file asks which architecture it is: it asks for the
// objective, the lists, the axes.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "arch/config_reader.h"
#include "arch/model_spec.h"
#include "arch/parameter_spec.h"
#include "base/json_lines.h"
#include "text/token_roles.h"

namespace apollo {

// causal: every position predicts the next token and sees only those before it. masked: masked
// tokens are predicted from all positions of the sequence.
enum class Objective { kCausal, kMasked };

// The rows of a product: all positions of a pass, or those that its loss reads.
enum class ProductRows { kPositions, kTargets };

// A product of matrices that a forward pass runs, [rows, inner] x [inner, outer].
struct MatrixProduct {
  // In place of a size: as many as the sequence has, or as a position sees in a local block.
  static constexpr int64_t kSequenceLength = -1;
  static constexpr int64_t kWindow = -2;
  int64_t inner = 0;
  int64_t outer = 0;
  // In the last block of a pass: where the loss reads fewer positions, some products are not needed
  // at the others. In all blocks before, every product runs at every position.
  ProductRows last_rows = ProductRows::kPositions;
  // How many tensors of its size the backward pass keeps: its result, and where that is changed
  // before it is used and the change needs what was before, both.
  int64_t kept = 1;
};

// What the head of a sequence classifier reads and is, as `transformers` has it.
enum class ClassifierHead {
  kLastToken,  // a linear layer without a bias over the last token
  kPooler,     // over the first token a linear layer and tanh, then dropout and a linear layer
  kTransform,  // over the first token or the mean of all the transform of the language head, then
               // dropout and a linear layer
};

// Names of Hugging Face, as they stand in model.safetensors of a model with its language head.
struct WeightNames {
  std::string_view body;                    // prefix of all but the heads
  std::string_view head;                    // prefix of the language head
  std::string_view transform;               // of the part of it that classifiers keep; empty: none
  std::vector<std::string_view> beside;     // prefixes of other heads that are well known
  std::vector<std::string_view> constants;  // endings of constants that old versions saved
  // Of a tied model, parameters of which a folder holds either or both: name and original.
  std::vector<std::pair<std::string_view, std::string_view>> tied;
  // Endings by which old folders call what has another name now.
  std::vector<std::pair<std::string_view, std::string_view>> renamed;
};

// The ids that config.json names, for generation, padding and the frame of a text; those that are
// none are null.
struct ConfigTokens {
  std::optional<TokenId> bos = {}, eos = {}, pad = {}, cls = {}, sep = {};
};

struct ArchitectureInfo {
  std::string_view name;   // in RUN.toml, and model_type in config.json
  std::string_view title;  // as people write it: "GPT-2"
  Objective objective = Objective::kCausal;
  std::string_view sequence_classifier_class;  // of transformers
  ClassifierHead classifier_head = ClassifierHead::kLastToken;
  bool takes_segments = false;  // of two texts a model is told which tokens are of the second

  // What a new model has where its config leaves it open.
  double norm_epsilon = 1e-5;
  int64_t (*inner_width)(int64_t width) = [](int64_t width) { return 4 * width; };
  double rope_theta = 0.0;  // 0: the architecture does not rotate
  double local_rope_theta = 0.0;
  LocalAttention local = {};  // without a window: the architecture has no local blocks
  bool tied = true;
  // What a config may choose: heads of another number for keys and values, and of any width; an
  // output layer of its own, or the embedding's.
  bool groups_queries = false;
  bool may_untie = false;
  // The parameter that is added to the last hidden state, along which a classifier without a bias
  // can be shifted; empty: there is none.
  std::string_view output_shift = {};

  // In the order of the model. `num_layers` unique layers.
  std::vector<ParameterSpec> (*parameters)(const ModelSpec& spec, int64_t num_layers);
  // Of the block in this place of a pass.
  std::vector<MatrixProduct> (*block_products)(const ModelShape& shape, int64_t place);
  // Of the output head, at the positions that the loss reads.
  std::vector<MatrixProduct> (*head_products)(const ModelShape& shape);
  // config.json, without the key "apollo". Keys of other tools that list something for each layer,
  // which a model of another depth can't keep, are in `per_layer_keys`.
  Json (*write_config)(const ModelSpec& spec, int64_t num_layers, const ConfigTokens& tokens);
  // Everything but layer_map; throws CheckpointError as read_hf_config() does. The caller sets
  // shape.architecture.
  ModelSpec (*read_config)(const ConfigReader& reader);
  std::vector<std::string_view> per_layer_keys = {};
  WeightNames names;
};

const ArchitectureInfo& describe(Architecture architecture);
inline Objective objective_of(Architecture architecture) {
  return describe(architecture).objective;
}

// Adds an architecture to the list, once and before any config is read; `info` must last as long as
// the program. Its model is registered beside (model/model.h).
Architecture register_architecture(const ArchitectureInfo& info);

const ArchitectureInfo& gpt2_info();
const ArchitectureInfo& bert_info();
const ArchitectureInfo& llama_info();
const ArchitectureInfo& qwen3_info();
const ArchitectureInfo& modernbert_info();

}  // namespace apollo
