// BERT (Devlin et al. 2019) exactly as `transformers` computes BertForMaskedLM: word, position and
// type embeddings, post-LN blocks, erf GELU, a transform before the tied head, dropout on the
// embedding, the attention weights and both residual branches.
//
// Queries, keys and values are one parameter here, [3W, W], and three in a folder.
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

class Bert final : public LanguageModel {
 public:
  Bert(const ModelSpec& spec, int64_t num_layers, at::Device device)
      : LanguageModel(spec, num_layers, device) {
    const ParameterSet& p = parameters();
    token_embedding_ = p.tensor("bert.embeddings.word_embeddings.weight");
    position_embedding_ = p.tensor("bert.embeddings.position_embeddings.weight");
    type_embedding_ = p.tensor("bert.embeddings.token_type_embeddings.weight");
    const auto norm = [&](const std::string& part, int64_t layer) -> NormLayer {
      return {.weight_W = p.part(part + ".weight", layer),
              .bias_W = p.part(part + ".bias", layer),
              .epsilon = spec.norm_epsilon,
              .feeds_stream = true};
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

  at::Tensor output_transform(const at::Tensor& x_MW, const PassOptions& options) const override {
    const at::Tensor inner = linear_gelu(Norm{x_MW}, transform_, GeluKind::kErf, options.kernels);
    return apply_norm(inner, transform_norm_, options.kernels).value;
  }

 private:
  // Returns the last hidden state: [B, T, W], or [M, W] at rows `rows_M` of [N, W].
  at::Tensor run(const DeviceBatch& batch, const LayerMap& blocks, const at::Tensor& rows_M,
                 const PassOptions& options) const {
    if (options.cache != nullptr)
      throw UsageError("a model whose positions see those behind them keeps no cache");
    const AttentionPattern pattern{.heads = spec().shape.heads, .documents_BT = batch.documents_BT};
    const auto run_blocks = [&](const at::Tensor& x_BTW, size_t first, size_t last) {
      Norm stream{x_BTW};
      for (size_t i = first; i < last; ++i) {
        const BlockWeights& weights = blocks_.at(static_cast<size_t>(blocks[i]));
        const at::Tensor rows = i + 1 == blocks.size() ? rows_M : at::Tensor();
        if (options.recompute) {
          const auto run = [this, &weights, pattern, rows, i, options](const at::Tensor& x) {
            return block(Norm{x}, weights, pattern, rows, i, options).stream();
          };
          stream = {run_block(run, stream.stream(), spec().dropout > 0.0, options)};
        } else {
          stream = block(stream, weights, pattern, rows, i, options);
        }
      }
      return stream.stream();
    };
    if (options.frozen_blocks == 0) return run_blocks(embed(batch, options), 0, blocks.size());
    const auto frozen = static_cast<size_t>(options.frozen_blocks);
    const auto frozen_part = [&] { return run_blocks(embed(batch, options), 0, frozen); };
    return run_blocks(without_gradient(frozen_part, options), frozen, blocks.size());
  }

  OutputLayer output_layer() const override { return {token_embedding_, output_bias_}; }

  at::Tensor embed(const DeviceBatch& batch, const PassOptions& options) const {
    const int64_t length = batch.inputs_BT.size(1);
    check_length(spec(), length);
    at::Tensor x_BTW = at::embedding(token_embedding_, batch.inputs_BT);
    x_BTW = x_BTW + (batch.segments_BT.defined() ? at::embedding(type_embedding_, batch.segments_BT)
                                                 : type_embedding_.select(0, 0));
    x_BTW = x_BTW + position_embedding_.slice(0, 0, length);
    return dropout(apply_norm(x_BTW, embedding_norm_, options.kernels).stream(),
                   dropout_at(DropoutSite::kEmbedding, 0, spec(), options), options.kernels);
  }

  // Returns the output of the block at this place: [B, T, W] at every position, or [M, W] at
  // `rows_M` if they are defined.
  Norm block(const Norm& x, const BlockWeights& w, const AttentionPattern& pattern,
             const at::Tensor& rows_M, size_t place, const PassOptions& options) const {
    const auto dropout = [&](DropoutSite site) {
      return dropout_at(site, static_cast<int64_t>(place), spec(), options);
    };
    const auto at_rows = [&](const at::Tensor& all_BTW) {
      return rows_M.defined() ? all_BTW.flatten(0, 1).index_select(0, rows_M) : all_BTW;
    };
    const at::Tensor mixed =
        at_rows(multi_head_attention(linear(x, w.qkv, options.kernels), pattern,
                                     dropout(DropoutSite::kAttentionWeights), options.kernels));
    const Norm attended =
        add_linear_and_norm(at_rows(x.stream()), mixed, scaled(w.attn, options.branch_scale),
                            w.attn_norm, dropout(DropoutSite::kAttentionBranch), options.kernels)
            .norm;
    return add_mlp_and_norm(attended.stream(), attended, w.inner, GeluKind::kErf,
                            scaled(w.outer, options.branch_scale), w.outer_norm,
                            dropout(DropoutSite::kMlpBranch), options.kernels)
        .norm;
  }

  at::Tensor token_embedding_, position_embedding_, type_embedding_;
  NormLayer embedding_norm_;
  LinearLayer transform_;
  NormLayer transform_norm_;
  at::Tensor output_bias_;
  std::vector<BlockWeights> blocks_;
};

}  // namespace

std::pair<Architecture, ModelFactory> bert_model() {
  return {Architecture::kBert,
          [](const ModelSpec& spec, int64_t num_layers,
             at::Device device) -> std::unique_ptr<LanguageModel> {
            return std::make_unique<Bert>(spec, num_layers, device);
          }};
}

}  // namespace apollo
