// BERT (Devlin et al. 2019), as `transformers` has it: BertForMaskedLM.
#include <string>
#include <utility>

#include "arch/architecture.h"
#include "arch/hf_config.h"

namespace apollo {
namespace {

// Collects the parameters with their initialisation: N(0, init_std), biases 0, norms 1.
class ParameterList {
 public:
  struct Dimension {
    int64_t size;
    Axis axis;
  };

  explicit ParameterList(double init_std) : init_std_(init_std) {}

  void matrix(int64_t layer, const std::string& part, Dimension rows, Dimension columns) {
    add(layer, part, {rows, columns}, Init::kNormal, init_std_, {});
  }
  // Matrices with equally many rows, one above the other.
  void matrices(int64_t layer, const std::string& part, Dimension rows, Dimension columns,
                std::vector<std::string> pieces) {
    const auto count = static_cast<int64_t>(pieces.size());
    add(layer, part, {rows, columns}, Init::kNormal, init_std_, std::move(pieces));
    specs_.back().matrices.sizes.assign(static_cast<size_t>(count), rows.size / count);
  }
  void vector(int64_t layer, const std::string& part, Dimension size, Init init,
              std::vector<std::string> pieces = {}) {
    add(layer, part, {size}, init, 0.0, std::move(pieces));
  }
  void linear(int64_t layer, const std::string& part, Dimension out, Dimension in) {
    matrix(layer, part + ".weight", out, in);
    vector(layer, part + ".bias", out, Init::kZeros);
  }
  void norm(int64_t layer, const std::string& part, Dimension width) {
    vector(layer, part + ".weight", width, Init::kOnes);
    vector(layer, part + ".bias", width, Init::kZeros);
  }
  std::vector<ParameterSpec> take() { return std::move(specs_); }

 private:
  static std::string name_of(int64_t layer, const std::string& part) {
    return layer < 0 ? part : fmt::format("bert.encoder.layer.{}.{}", layer, part);
  }
  void add(int64_t layer, const std::string& part, const std::vector<Dimension>& dimensions,
           Init init, double std, std::vector<std::string> pieces) {
    for (std::string& piece : pieces)
      piece = name_of(layer, piece);
    std::vector<int64_t> shape;
    std::vector<Axis> meaning;
    for (const Dimension& dimension : dimensions) {
      shape.push_back(dimension.size);
      meaning.push_back(dimension.axis);
    }
    // Weight decay applies only to matrices, including embeddings.
    const bool decay = shape.size() >= 2;
    const bool ends_branch =
        part.starts_with("attention.output.dense.") || part.starts_with("output.dense.");
    const bool in_head =
        part.starts_with("cls.") || part == "bert.embeddings.word_embeddings.weight";
    specs_.push_back({.name = name_of(layer, part),
                      .part = part,
                      .layer = layer,
                      .shape = std::move(shape),
                      .decay = decay,
                      .init = init,
                      .init_std = std,
                      .pieces = std::move(pieces),
                      .role = ends_branch ? Role::kBranchOutput
                              : in_head   ? Role::kHead
                                          : Role::kOther,
                      .axes = std::move(meaning)});
  }

  double init_std_;
  std::vector<ParameterSpec> specs_;
};

std::vector<ParameterSpec> bert_parameters(const ModelSpec& spec, int64_t num_layers) {
  const ModelShape& shape = spec.shape;
  const int64_t width = shape.width;
  const int64_t inner = shape.inner_width();
  ParameterList list(spec.init_std);
  list.matrix(-1, "bert.embeddings.word_embeddings.weight", {shape.vocab_size, axes::kFixed},
              {width, axes::kResidualOut});
  list.matrix(-1, "bert.embeddings.position_embeddings.weight", {shape.context, axes::kFixed},
              {width, axes::kResidualOut});
  list.matrix(-1, "bert.embeddings.token_type_embeddings.weight", {shape.token_types, axes::kFixed},
              {width, axes::kResidualOut});
  list.norm(-1, "bert.embeddings.LayerNorm", {width, axes::kPerResidual});
  for (int64_t i = 0; i < num_layers; ++i) {
    list.matrices(i, "attention.self.qkv.weight", {3 * width, axes::kQkvOut},
                  {width, axes::kResidualIn},
                  {"attention.self.query.weight", "attention.self.key.weight",
                   "attention.self.value.weight"});
    list.vector(
        i, "attention.self.qkv.bias", {3 * width, axes::kQkvOut}, Init::kZeros,
        {"attention.self.query.bias", "attention.self.key.bias", "attention.self.value.bias"});
    list.linear(i, "attention.output.dense", {width, axes::kResidualOut}, {width, axes::kHeadsIn});
    list.norm(i, "attention.output.LayerNorm", {width, axes::kPerResidual});
    list.linear(i, "intermediate.dense", {inner, axes::kInnerOut}, {width, axes::kResidualIn});
    list.linear(i, "output.dense", {width, axes::kResidualOut}, {inner, axes::kInnerIn});
    list.norm(i, "output.LayerNorm", {width, axes::kPerResidual});
  }
  list.linear(-1, "cls.predictions.transform.dense", {width, axes::kResidualOut},
              {width, axes::kResidualIn});
  // The tied head sums over the outputs of this norm with weights that the embedding owns, so the
  // norm takes the role of the head's input.
  list.norm(-1, "cls.predictions.transform.LayerNorm", {width, axes::kResidualIn});
  list.vector(-1, "cls.predictions.bias", {shape.vocab_size, axes::kFixed}, Init::kZeros);
  return list.take();
}

// Queries, keys and values; scores; mixing; the projection of the heads; the MLP. After the mixing
// no position reads another, so from there on the last block runs only at the masked positions.
std::vector<MatrixProduct> bert_block_products(const ModelShape& shape, int64_t /*place*/) {
  const int64_t width = shape.width;
  const int64_t inner = shape.inner_width();
  constexpr int64_t kLength = MatrixProduct::kSequenceLength;
  constexpr ProductRows kTargets = ProductRows::kTargets;
  return {{width, 3 * width},       {width, kLength},         {kLength, width},
          {width, width, kTargets}, {width, inner, kTargets}, {inner, width, kTargets}};
}

// The head's transform and its output.
std::vector<MatrixProduct> bert_head_products(const ModelShape& shape) {
  return {{shape.width, shape.width}, {shape.width, shape.vocab_size}};
}

Json write_bert_config(const ModelSpec& spec, int64_t num_layers, const ConfigTokens& tokens) {
  const ModelShape& shape = spec.shape;
  return {{"architectures", {"BertForMaskedLM"}},
          {"model_type", "bert"},
          {"vocab_size", shape.vocab_size},
          {"max_position_embeddings", shape.context},
          {"hidden_size", shape.width},
          {"num_hidden_layers", num_layers},
          {"num_attention_heads", shape.heads},
          {"intermediate_size", shape.inner_width()},
          {"type_vocab_size", shape.token_types},
          {"hidden_act", "gelu"},
          {"hidden_dropout_prob", spec.dropout},
          {"attention_probs_dropout_prob", spec.dropout},
          {"layer_norm_eps", spec.norm_epsilon},
          {"initializer_range", spec.init_std},
          {"position_embedding_type", "absolute"},
          {"is_decoder", false},
          {"tie_word_embeddings", true},
          {"use_cache", true},
          {"pad_token_id", id_json(tokens.pad)},
          {"torch_dtype", "float32"}};
}

ModelSpec read_bert_config(const ConfigReader& reader) {
  ModelSpec spec;
  spec.shape.layers = reader.num_layers("num_hidden_layers");
  spec.shape.width = reader.size("hidden_size");
  spec.shape.heads = reader.size("num_attention_heads");
  spec.shape.context = reader.size("max_position_embeddings");
  spec.shape.vocab_size = reader.size("vocab_size");
  if (spec.shape.width % spec.shape.heads != 0) {
    reader.reject(fmt::format("num_attention_heads {} does not divide hidden_size {}",
                              spec.shape.heads, spec.shape.width));
  }
  spec.shape.set_inner_width(reader.size("intermediate_size", 4 * spec.shape.width));
  spec.shape.token_types = reader.size("type_vocab_size", 2);
  spec.norm_epsilon = reader.number("layer_norm_eps", 1e-12);
  spec.dropout = reader.number("hidden_dropout_prob", 0.1);
  spec.init_std = reader.number("initializer_range", 0.02);
  reader.require("hidden_act", {"gelu"});
  reader.require("position_embedding_type", {"absolute"});
  reader.require("is_decoder", {false});
  reader.require("add_cross_attention", {false});
  reader.require("tie_word_embeddings", {true});
  return spec;
}

}  // namespace

const ArchitectureInfo& bert_info() {
  static const ArchitectureInfo info = {
      .name = "bert",
      .title = "BERT",
      .objective = Objective::kMasked,
      .sequence_classifier_class = "BertForSequenceClassification",
      .classifier_head = ClassifierHead::kPooler,
      .takes_segments = true,
      .norm_epsilon = 1e-12,
      .parameters = bert_parameters,
      .block_products = bert_block_products,
      .head_products = bert_head_products,
      .write_config = write_bert_config,
      .read_config = read_bert_config,
      .names = {
          .body = "bert.",
          .head = "cls.predictions.",
          .beside = {"bert.pooler.", "cls.seq_relationship.", "classifier.", "qa_outputs."},
          .constants = {".position_ids", ".token_type_ids"},
          .tied = {{"cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"},
                   {"cls.predictions.decoder.bias", "cls.predictions.bias"}},
          .renamed = {{"LayerNorm.gamma", "LayerNorm.weight"},
                      {"LayerNorm.beta", "LayerNorm.bias"}}}};
  return info;
}

}  // namespace apollo
