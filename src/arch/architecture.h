// What an architecture is, without any tensor: its objective, its parameters, its matrix products,
// its config.json and the names that Hugging Face gives its weights. Each architecture has one file
// (gpt2.cpp, bert.cpp, llama.cpp, qwen3.cpp, modernbert.cpp). Parameters, bytes and FLOPs are
// derived from the lists (counts.h). The only other thing to write is how it computes, in model/.
//
// Nothing outside of arch/ and the model's own file asks which architecture a model has. It asks
// for the objective, the lists or the axes.
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

// kCausal: every position predicts the next token and sees only those before it. kMasked: masked
// tokens are predicted from all positions of the sequence.
enum class Objective { kCausal, kMasked };

// The rows at which a product runs: all positions of a pass, or only those that its loss reads.
enum class ProductRows { kPositions, kTargets };

// A matrix product of the forward pass: [rows, inner] x [inner, outer].
struct MatrixProduct {
  // These stand for a size: the length of the sequence, or what a position of a local block sees.
  static constexpr int64_t kSequenceLength = -1;
  static constexpr int64_t kWindow = -2;
  int64_t inner = 0;
  int64_t outer = 0;
  // Where the last block of a pass computes this product. If the loss reads fewer positions, some
  // products are not needed at the others. Earlier blocks compute every product at every position.
  ProductRows last_rows = ProductRows::kPositions;
  // How many tensors of the result's size the backward pass keeps. There are two if the result is
  // changed before it is used and the backward of that change needs the old values too.
  int64_t kept = 1;
};

// What the head of a sequence classifier reads and computes, as in `transformers`.
enum class ClassifierHead {
  kLastToken,  // a linear layer without bias on the last token
  kPooler,     // linear layer, tanh, dropout and linear layer on the first token
  kTransform,  // the language head's transform, dropout and a linear layer, on the first token or
               // the mean of all tokens
};

// The names that Hugging Face uses in model.safetensors of a model with its language head.
struct WeightNames {
  std::string_view body;       // prefix of everything except the heads
  std::string_view head;       // prefix of the language head
  std::string_view transform;  // prefix of the part of it that classifiers keep; empty: none
  std::vector<std::string_view> beside;     // prefixes of other heads that are well known
  std::vector<std::string_view> constants;  // endings of constants that old versions saved
  // Pairs {name, original}: parameters of a tied model of which a folder holds one or both.
  std::vector<std::pair<std::string_view, std::string_view>> tied;
  // Pairs {old, new}: endings of names that old folders use, and what they are called now.
  std::vector<std::pair<std::string_view, std::string_view>> renamed;
};

// The ids in config.json for generation, padding and the frame of a text. Missing ones are null.
struct ConfigTokens {
  std::optional<TokenId> bos = {}, eos = {}, pad = {}, cls = {}, sep = {};
};

struct ArchitectureInfo {
  std::string_view name;   // in RUN.toml, and model_type in config.json
  std::string_view title;  // as people write it: "GPT-2"
  Objective objective = Objective::kCausal;
  std::string_view sequence_classifier_class;  // of transformers
  ClassifierHead classifier_head = ClassifierHead::kLastToken;
  bool takes_segments = false;  // of two texts, the model is told which tokens belong to the second

  // The defaults of a new model.
  double norm_epsilon = 1e-5;
  int64_t (*inner_width)(int64_t width) = [](int64_t width) { return 4 * width; };
  double rope_theta = 0.0;  // 0: the architecture does not rotate
  double local_rope_theta = 0.0;
  LocalAttention local = {};  // no window: the architecture has no local blocks
  bool tied = true;
  // What a config may choose. groups_queries: the number of key-value heads and the width of a
  // head. may_untie: an output layer with weights of its own.
  bool groups_queries = false;
  bool may_untie = false;
  // The parameter that is added to the last hidden state. Shifting it along one direction shifts
  // the scores of a classifier without bias. Empty: there is none.
  std::string_view output_shift = {};

  // The parameters of a model with `num_layers` unique layers, in the order of the model.
  std::vector<ParameterSpec> (*parameters)(const ModelSpec& spec, int64_t num_layers);
  // The products of the block at this place of a pass.
  std::vector<MatrixProduct> (*block_products)(const ModelShape& shape, int64_t place);
  // The products of the output head, which runs at the positions that the loss reads.
  std::vector<MatrixProduct> (*head_products)(const ModelShape& shape);
  // Returns config.json without the key "apollo". `per_layer_keys` names keys of other tools that
  // list something for each layer, which a model of another depth cannot keep.
  Json (*write_config)(const ModelSpec& spec, int64_t num_layers, const ConfigTokens& tokens);
  // Reads everything except layer_map; the caller sets shape.architecture. Throws CheckpointError
  // as read_hf_config() does.
  ModelSpec (*read_config)(const ConfigReader& reader);
  std::vector<std::string_view> per_layer_keys = {};
  WeightNames names;
};

const ArchitectureInfo& describe(Architecture architecture);
inline Objective objective_of(Architecture architecture) {
  return describe(architecture).objective;
}

// Adds an architecture to the list. Call it once, before any config is read; `info` must live as
// long as the program. Its model is registered separately (model/model.h).
Architecture register_architecture(const ArchitectureInfo& info);

const ArchitectureInfo& gpt2_info();
const ArchitectureInfo& bert_info();
const ArchitectureInfo& llama_info();
const ArchitectureInfo& qwen3_info();
const ArchitectureInfo& modernbert_info();

}  // namespace apollo
