// BERT (Devlin et al. 2019) exactly as `transformers` computes BertForMaskedLM: word, position and
// type embeddings, post-LN blocks, erf GELU, a transform before the tied head, dropout on the
// embedding, the attention weights and both residual branches.
//
// Queries, keys and values are one parameter here, [3W, W], and three in a folder.
//
// The loss reads the masked places alone. Behind the attention of the last block no place reads
// another, so from there on that block runs at these places only.
#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>

#include "base/error.h"
#include "model/architecture.h"
#include "model/axes.h"
#include "model/layer.h"
#include "model/recompute.h"
#include "ops/attention.h"

namespace apollo {
namespace {

struct BlockWeights {
  LinearLayer qkv;
  LinearLayer attn;
  NormLayer attn_norm;
  LinearLayer inner;
  LinearLayer outer;
  NormLayer outer_norm;
};

std::vector<ParameterSpec> bert_parameters(const ModelSpec& spec, int64_t num_layers);

class Bert final : public LanguageModel {
 public:
  Bert(const ModelSpec& spec, int64_t num_layers, at::Device device)
      : LanguageModel(spec, num_layers, ParameterLayout(bert_parameters(spec, num_layers)),
                      device) {
    const ParameterSet& p = parameters();
    token_embedding_ = p.tensor("bert.embeddings.word_embeddings.weight");
    position_embedding_ = p.tensor("bert.embeddings.position_embeddings.weight");
    type_embedding_ = p.tensor("bert.embeddings.token_type_embeddings.weight");
    const auto norm = [&](const std::string& part, int64_t layer) -> NormLayer {
      return {p.part(part + ".weight", layer), p.part(part + ".bias", layer), spec.norm_epsilon};
    };
    const auto linear = [&](const std::string& part, int64_t layer) -> LinearLayer {
      return {p.part(part + ".weight", layer), p.part(part + ".bias", layer), WeightOrder::kOutIn};
    };
    embedding_norm_ = norm("bert.embeddings.LayerNorm", -1);
    transform_ = linear("cls.predictions.transform.dense", -1);
    transform_norm_ = norm("cls.predictions.transform.LayerNorm", -1);
    output_bias_ = p.tensor("cls.predictions.bias");
    for (int64_t i = 0; i < num_layers; ++i) {
      blocks_.push_back({linear("attention.self.qkv", i), linear("attention.output.dense", i),
                         norm("attention.output.LayerNorm", i), linear("intermediate.dense", i),
                         linear("output.dense", i), norm("output.LayerNorm", i)});
    }
  }

  at::Tensor hidden(const DeviceBatch& batch, const LayerMap& blocks,
                    const PassOptions& options) const override {
    return run(batch, blocks, /*rows_M=*/{}, options);
  }

  at::Tensor target_hidden(const DeviceBatch& batch, const LayerMap& blocks,
                           const PassOptions& options) const override {
    if (blocks.empty() || !batch.target_rows_M.defined()) {
      return LanguageModel::target_hidden(batch, blocks, options);
    }
    return run(batch, blocks, batch.target_rows_M, options);
  }

 private:
  // The last hidden state: [B, T, W], or [M, W] of these rows of its [N, W].
  at::Tensor run(const DeviceBatch& batch, const LayerMap& blocks, const at::Tensor& rows_M,
                 const PassOptions& options) const {
    AttentionPattern pattern{.heads = spec().shape.heads};
    if (batch.documents_BT.defined()) {
      const at::Tensor& documents_BT = batch.documents_BT;
      pattern.visible_B1TT = documents_BT.unsqueeze(2).eq(documents_BT.unsqueeze(1)).unsqueeze(1);
    }
    const auto run_blocks = [&](const at::Tensor& x_BTW, size_t first, size_t last) {
      Norm stream{x_BTW};
      for (size_t i = first; i < last; ++i) {
        const BlockWeights& weights = blocks_.at(static_cast<size_t>(blocks[i]));
        const at::Tensor rows = i + 1 == blocks.size() ? rows_M : at::Tensor();
        if (options.recompute) {
          const auto run = [this, &weights, pattern, rows, options](const at::Tensor& x) {
            return block(Norm{x}, weights, pattern, rows, options).value;
          };
          stream = {run_block(run, stream.value, spec().dropout > 0.0, options)};
        } else {
          stream = block(stream, weights, pattern, rows, options);
        }
      }
      return stream.value;
    };
    if (options.frozen_blocks == 0) return run_blocks(embed(batch, options), 0, blocks.size());
    const auto frozen = static_cast<size_t>(options.frozen_blocks);
    const auto frozen_part = [&] { return run_blocks(embed(batch, options), 0, frozen); };
    return run_blocks(without_gradient(frozen_part, options), frozen, blocks.size());
  }

  OutputLayer output_layer() const override { return {token_embedding_, output_bias_}; }

  at::Tensor output_transform(const at::Tensor& x_MW, const PassOptions& options) const override {
    const at::Tensor inner = linear_gelu(Norm{x_MW}, transform_, GeluKind::kErf, options.kernels);
    return layer_norm(inner, transform_norm_, options.kernels).value;
  }

  at::Tensor embed(const DeviceBatch& batch, const PassOptions& options) const {
    const int64_t length = batch.inputs_BT.size(1);
    check_length(spec(), length);
    at::Tensor x_BTW = at::embedding(token_embedding_, batch.inputs_BT);
    x_BTW = x_BTW + (batch.segments_BT.defined() ? at::embedding(type_embedding_, batch.segments_BT)
                                                 : type_embedding_.select(0, 0));
    x_BTW = x_BTW + position_embedding_.slice(0, 0, length);
    return apply_dropout(layer_norm(x_BTW, embedding_norm_, options.kernels).value, spec().dropout,
                         options);
  }

  // Its output at every place, [B, T, W], or, where `rows_M` is defined, at these rows, [M, W].
  Norm block(const Norm& x, const BlockWeights& w, const AttentionPattern& pattern,
             const at::Tensor& rows_M, const PassOptions& options) const {
    const double dropout = options.training ? spec().dropout : 0.0;
    const auto at_rows = [&](const at::Tensor& all_BTW) {
      return rows_M.defined() ? all_BTW.flatten(0, 1).index_select(0, rows_M) : all_BTW;
    };
    const at::Tensor mixed = at_rows(
        multi_head_attention(linear(x, w.qkv, options.kernels), pattern, dropout, options.kernels));
    const Norm attended =
        add_linear_and_norm(at_rows(x.value), mixed, scaled(w.attn, options.branch_scale),
                            w.attn_norm, dropout, options.kernels)
            .norm;
    return add_mlp_and_norm(attended.value, attended, w.inner, GeluKind::kErf,
                            scaled(w.outer, options.branch_scale), w.outer_norm, dropout,
                            options.kernels)
        .norm;
  }

  at::Tensor token_embedding_, position_embedding_, type_embedding_;
  NormLayer embedding_norm_;
  LinearLayer transform_;
  NormLayer transform_norm_;
  at::Tensor output_bias_;
  std::vector<BlockWeights> blocks_;
};

// Collects the parameters with their initialisation: N(0, init_std), biases 0, norms 1.
class ParameterList {
 public:
  struct Dimension {
    int64_t size;
    Axis axis;
  };

  explicit ParameterList(double init_std) : init_std_(init_std) {}

  void matrix(int64_t layer, const std::string& part, Dimension rows, Dimension columns,
              std::vector<std::string> pieces = {}) {
    add(layer, part, {rows, columns}, Init::kNormal, init_std_, std::move(pieces));
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
    // Weight decay applies to matrices, embeddings included, and to nothing else.
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
    list.matrix(i, "attention.self.qkv.weight", {3 * width, axes::kQkvOut},
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
  // The tied head sums over what this norm gives, with weights that the embedding owns: so the norm
  // stands for the head's input.
  list.norm(-1, "cls.predictions.transform.LayerNorm", {width, axes::kResidualIn});
  list.vector(-1, "cls.predictions.bias", {shape.vocab_size, axes::kFixed}, Init::kZeros);
  return list.take();
}

std::unique_ptr<LanguageModel> make_bert(const ModelSpec& spec, int64_t num_layers,
                                         at::Device device) {
  return std::make_unique<Bert>(spec, num_layers, device);
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
  spec.shape.architecture = Architecture::kBert;
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

const ArchitectureDescription& bert_description() {
  static const ArchitectureDescription description = {
      .model_type = "bert",
      .norm_epsilon = 1e-12,
      .make = make_bert,
      .parameters = bert_parameters,
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
  return description;
}

}  // namespace apollo
