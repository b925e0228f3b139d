// ModernBERT ("Smarter, Better, Faster, Longer", Warner et al. 2024) exactly as `transformers`
// computes ModernBertForMaskedLM: a norm after the token embedding, blocks whose branches begin
// with a LayerNorm, GeGLU, no biases, rotary positions; a dense layer, GELU and a norm before the
// tied head, which has a bias. Dropout acts on the embedding, on the attention weights, after the
// attention's projection and inside the MLP.
//
// The place of a block in the pass decides whether it is local. The block at place 0 reads the
// embedding without a norm of its own. arch/modernbert.cpp says why growth stays exact.
//
// The loss reads only the masked positions. After the attention of the last block no position reads
// another, so from there on the pass runs only at the masked positions.
#include <ATen/TensorOperators.h>
#include <ATen/ops/embedding.h>

#include "base/error.h"
#include "model/layer.h"
#include "model/models.h"
#include "model/recompute.h"
#include "ops/attention.h"
#include "ops/dropout.h"
#include "ops/gated_linear.h"
#include "ops/rotation.h"

namespace apollo {
namespace {

struct BlockWeights {
  NormLayer attn_norm;
  LinearLayer qkv;  // queries, keys and values, one above the other
  LinearLayer attn_proj;
  NormLayer mlp_norm;
  LinearLayer gate_up;  // the activated half above its factor
  LinearLayer down;
};

class ModernBert final : public LanguageModel {
 public:
  ModernBert(const ModelSpec& spec, int64_t num_layers, at::Device device)
      : LanguageModel(spec, num_layers, device),
        frequencies_(rotation_frequencies(spec.rope, spec.shape.head_dim()).to(device)),
        local_frequencies_(
            rotation_frequencies(spec.local_rope, spec.shape.head_dim()).to(device)) {
    const ParameterSet& p = parameters();
    const auto norm = [&](const std::string& part, int64_t layer) -> NormLayer {
      return {.weight_W = p.part(part, layer), .epsilon = spec.norm_epsilon};
    };
    const auto linear = [&](const std::string& part, int64_t layer) -> LinearLayer {
      return {.weight = p.part(part, layer), .order = WeightOrder::kOutIn};
    };
    token_embedding_ = p.tensor("model.embeddings.tok_embeddings.weight");
    embedding_norm_ = norm("model.embeddings.norm.weight", -1);
    embedding_norm_.feeds_stream = true;
    final_norm_ = norm("model.final_norm.weight", -1);
    transform_ = linear("head.dense.weight", -1);
    transform_norm_ = norm("head.norm.weight", -1);
    output_bias_ = p.tensor("decoder.bias");
    for (int64_t i = 0; i < num_layers; ++i) {
      blocks_.push_back({norm("attn_norm.weight", i), linear("attn.Wqkv.weight", i),
                         linear("attn.Wo.weight", i), norm("mlp_norm.weight", i),
                         linear("mlp.Wi.weight", i), linear("mlp.Wo.weight", i)});
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

  at::Tensor output_transform(const at::Tensor& x_MW, const PassOptions& options) const override {
    const at::Tensor inner = linear_gelu(Norm{x_MW}, transform_, GeluKind::kErf, options.kernels);
    return apply_norm(inner, transform_norm_, options.kernels).value;
  }

 private:
  // What all blocks of a pass share.
  struct Pass {
    const LayerMap& blocks;
    AttentionPattern pattern;  // of global blocks
    RotationTable rotation, local_rotation;
    at::Tensor rows_M;  // the rows of the last block's output that are needed; undefined: all
    const PassOptions& options;
  };

  // Returns the last hidden state: [B, T, W], or [M, W] at rows `rows_M` of [N, W].
  at::Tensor run(const DeviceBatch& batch, const LayerMap& blocks, const at::Tensor& rows_M,
                 const PassOptions& options) const {
    if (options.cache != nullptr)
      throw UsageError("a model whose positions see those behind them keeps no cache");
    const int64_t length = batch.inputs_BT.size(1);
    check_length(spec(), length);
    Pass pass{.blocks = blocks,
              .pattern = {.heads = spec().shape.heads, .documents_BT = batch.documents_BT},
              .rotation = rotation_table(frequencies_, 0, length),
              .local_rotation = rotation_table(local_frequencies_, 0, length),
              .rows_M = rows_M,
              .options = options};
    const auto frozen = static_cast<size_t>(options.frozen_blocks);
    const auto embedded = [&] { return embed(batch, options); };
    const auto frozen_part = [&] { return run_blocks(embedded(), 0, frozen, pass).sum; };
    const at::Tensor x_BTW = frozen == 0 ? embedded() : without_gradient(frozen_part, options);
    return run_blocks(x_BTW, frozen, blocks.size(), pass).norm.value;
  }

  OutputLayer output_layer() const override { return {token_embedding_, output_bias_}; }

  at::Tensor embed(const DeviceBatch& batch, const PassOptions& options) const {
    const at::Tensor x_BTW = at::embedding(token_embedding_, batch.inputs_BT);
    return dropout(apply_norm(x_BTW, embedding_norm_, options.kernels).stream(),
                   dropout_at(DropoutSite::kEmbedding, 0, spec(), options), options.kernels);
  }

  const BlockWeights& weights(const Pass& pass, size_t place) const {
    return blocks_.at(static_cast<size_t>(pass.blocks[place]));
  }

  // Returns what the block at this place reads of the residual stream; after the last block, what
  // the head reads.
  Norm input_of(const at::Tensor& stream_BTW, size_t place, const Pass& pass) const {
    if (place == 0) return {stream_BTW};
    return apply_norm(stream_BTW, norm_before(place, pass), pass.options.kernels);
  }
  const NormLayer& norm_before(size_t place, const Pass& pass) const {
    return place < pass.blocks.size() ? weights(pass, place).attn_norm : final_norm_;
  }

  // Runs blocks [first, last) of the pass. Returns the stream after them and what is read of it
  // next.
  SumAndNorm run_blocks(const at::Tensor& x_BTW, size_t first, size_t last,
                        const Pass& pass) const {
    if (pass.blocks.empty()) return {x_BTW, apply_norm(x_BTW, final_norm_, pass.options.kernels)};
    if (pass.options.recompute) {
      const at::Tensor sum = recomputed_blocks(x_BTW, first, last, pass);
      return {sum, input_of(sum, last, pass)};
    }
    SumAndNorm stream{x_BTW, input_of(x_BTW, first, pass)};
    for (size_t i = first; i < last; ++i)
      stream = block(stream, i, norm_before(i + 1, pass), pass);
    return stream;
  }

  // Returns the stream after these blocks. Each block is a function of one tensor here and computes
  // its first norm itself.
  at::Tensor recomputed_blocks(at::Tensor x_BTW, size_t first, size_t last,
                               const Pass& pass) const {
    for (size_t i = first; i < last; ++i) {
      // The block runs again after the pass is over, so it needs a copy of what it reads.
      const auto run = [this, i, blocks = pass.blocks, pattern = pass.pattern,
                        rotation = pass.rotation, local_rotation = pass.local_rotation,
                        rows_M = pass.rows_M, options = pass.options](const at::Tensor& x) {
        const Pass again{blocks, pattern, rotation, local_rotation, rows_M, options};
        return block({x, input_of(x, i, again)}, i, final_norm_, again).sum;
      };
      x_BTW = run_block(run, x_BTW, spec().dropout > 0.0, pass.options);
    }
    return x_BTW;
  }

  // Returns the stream after the block at this place and its `next_norm`; `stream` is the one
  // before.
  SumAndNorm block(const SumAndNorm& stream, size_t place, const NormLayer& next_norm,
                   const Pass& pass) const {
    const BlockWeights& w = weights(pass, place);
    const PassOptions& options = pass.options;
    const auto at_rows = [&](const at::Tensor& all_BTW) {
      const bool chosen = pass.rows_M.defined() && place + 1 == pass.blocks.size();
      return chosen ? all_BTW.flatten(0, 1).index_select(0, pass.rows_M) : all_BTW;
    };
    const auto draw = [&](DropoutSite site) {
      return dropout_at(site, static_cast<int64_t>(place), spec(), options);
    };
    const at::Tensor mixed = at_rows(attend(linear(stream.norm, w.qkv, options.kernels), place,
                                            draw(DropoutSite::kAttentionWeights), pass));
    const SumAndNorm attended =
        add_linear_and_norm(at_rows(stream.sum), mixed, scaled(w.attn_proj, options.branch_scale),
                            w.mlp_norm, draw(DropoutSite::kAttentionBranch), options.kernels);
    const at::Tensor mlp =
        gated_mlp(linear(attended.norm, w.gate_up, options.kernels),
                  scaled(w.down, options.branch_scale), draw(DropoutSite::kMlpBranch), options);
    return add_and_norm(attended.sum, {mlp}, next_norm, options.kernels);
  }

  at::Tensor attend(const at::Tensor& qkv_BTX, size_t place, const DropoutDraw& draw,
                    const Pass& pass) const {
    const ModelShape& shape = spec().shape;
    const bool is_local = shape.local.is_local(static_cast<int64_t>(place));
    AttentionPattern pattern = pass.pattern;
    if (is_local) pattern.window = shape.local.window;
    const at::Tensor rotated_BTX = rotate_queries_and_keys(
        qkv_BTX, shape.heads, shape.heads, is_local ? pass.local_rotation : pass.rotation,
        /*norms=*/{}, pass.options.kernels);
    return multi_head_attention(rotated_BTX, pattern, draw, pass.options.kernels);
  }

  // With dropout, which stands between the two products, they cannot be one operator.
  static at::Tensor gated_mlp(const at::Tensor& gate_up, const LinearLayer& down,
                              const DropoutDraw& draw, const PassOptions& options) {
    if (draw.probability == 0.0)
      return gated_linear_without_bias(gate_up, GateKind::kGelu, down, options.kernels);
    const at::Tensor inner = gated(gate_up, GateKind::kGelu, options.kernels);
    return linear_without_bias(dropout(inner, draw, options.kernels), down, options.kernels);
  }

  at::Tensor frequencies_, local_frequencies_;
  at::Tensor token_embedding_;
  NormLayer embedding_norm_, final_norm_;
  LinearLayer transform_;
  NormLayer transform_norm_;
  at::Tensor output_bias_;
  std::vector<BlockWeights> blocks_;
};

}  // namespace

std::pair<Architecture, ModelFactory> modernbert_model() {
  return {Architecture::kModernBert,
          [](const ModelSpec& spec, int64_t num_layers,
             at::Device device) -> std::unique_ptr<LanguageModel> {
            return std::make_unique<ModernBert>(spec, num_layers, device);
          }};
}

}  // namespace apollo
