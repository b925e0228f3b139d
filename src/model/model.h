// What the trainer and the tools know of a model: N unique layers, a pass of any depth over them,
// a loss, logits. An architecture is one file that implements LanguageModel, and what it is without
// tensors is another (arch/architecture.h).
//
// Shape suffixes: B sequences, T positions, W width, H heads, K = W/H, V vocabulary, N = B*T rows,
// M targets.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "arch/counts.h"
#include "data/token_batch.h"
#include "model/parameters.h"
#include "ops/attention_cache.h"
#include "ops/linear_cross_entropy.h"
#include "progressive/layer_map.h"

namespace apollo {

// Tokens on the model's device. Undefined tensors stand for the usual case.
struct DeviceBatch {
  at::Tensor inputs_BT;       // int64, in [0, V)
  at::Tensor targets_M = {};  // int64, in [0, V)
  at::Tensor target_rows_M =
      {};  // int64: places b*T + t of the targets, ascending; undefined: M = B*T
  at::Tensor segments_BT = {};   // int64, BERT's token types; undefined: all 0
  at::Tensor documents_BT = {};  // int64: a position sees only those of its row with the same
                                 // number, which stand side by side; undefined: a row is one
};

// Rows [first, first + rows) of a batch on `device`.
DeviceBatch to_device(const TokenBatch& batch, int64_t first, int64_t rows, at::Device device);
// All of it.
DeviceBatch to_device(const TokenBatch& batch, at::Device device);

// How a pass runs, apart from its depth.
struct PassOptions {
  bool training = false;  // dropout acts
  Kernels kernels = Kernels::kFused;
  Precision precision = Precision::kFp32;
  bool recompute = false;     // blocks are computed again in the backward pass, not kept for it
  int64_t frozen_blocks = 0;  // the first so many and the embedding run forward alone
  double branch_scale = 1.0;  // of what each residual branch adds
  // What dropout zeroes on a CPU is a function of it and of the place in the pass; elsewhere the
  // device's generator draws (ops/dropout.h).
  uint64_t dropout_key = 0;
  // Of a causal model without gradient: the tokens are those behind the ones that it holds, and are
  // added to it. Null: the sequences are whole.
  AttentionCache* cache = nullptr;
};

// What the config says of all passes alike; the rest is as above.
PassOptions make_pass_options(const RunConfig& config, bool training);

// The parameters of `num_layers` unique layers, in the order of the model.
std::vector<ParameterSpec> model_parameters(const ModelSpec& spec, int64_t num_layers);

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  // The last hidden state, [B, T, W]: what an output head reads. Block i of the pass runs with the
  // weights of layer `blocks[i]`. Throws UsageError where the sequences exceed the context.
  virtual at::Tensor hidden(const DeviceBatch& batch, const LayerMap& blocks,
                            const PassOptions& options) const = 0;
  // The same at the targets' places alone, [M, W]: all that a loss needs. An architecture may leave
  // out of its last block what only other places would read; last_layer_forward_flops() says what
  // is left.
  virtual at::Tensor target_hidden(const DeviceBatch& batch, const LayerMap& blocks,
                                   const PassOptions& options) const;

  // What stands between the last hidden state and the output layer, [M, W] -> [M, W].
  virtual at::Tensor output_transform(const at::Tensor& x_MW, const PassOptions& options) const {
    (void)options;
    return x_MW;
  }

  // Sum over the targets of -log p(target), in nats; divide by the number of targets for the mean.
  // The output head runs on the targets' positions alone.
  at::Tensor loss_sum(const DeviceBatch& batch, const LayerMap& blocks,
                      const PassOptions& options) const;
  // The same target by target, without gradient.
  TargetScores score_targets(const DeviceBatch& batch, const LayerMap& blocks,
                             const PassOptions& options) const;
  // Of the targets' places, [M, V], in float32.
  at::Tensor target_logits(const DeviceBatch& batch, const LayerMap& blocks,
                           const PassOptions& options) const;
  // Of every position, [B, T, V], in float32.
  at::Tensor logits(const DeviceBatch& batch, const LayerMap& blocks,
                    const PassOptions& options) const;

  const ModelSpec& spec() const { return spec_; }
  // Whether a position sees only itself and those before it.
  bool is_causal() const { return objective_of(spec_.shape.architecture) == Objective::kCausal; }
  // Unique layers that exist now.
  int64_t num_layers() const { return num_layers_; }
  // The blocks of a pass of `depth`, num_layers() <= depth.
  LayerMap blocks(int64_t depth) const { return sharing_map(spec_.layer_map, num_layers_, depth); }
  const ParameterSet& parameters() const { return parameters_; }
  ParameterSet& parameters() { return parameters_; }
  at::Device device() const { return parameters_.values().device(); }

 protected:
  LanguageModel(const ModelSpec& spec, int64_t num_layers, at::Device device)
      : spec_(spec),
        num_layers_(num_layers),
        parameters_(ParameterLayout(model_parameters(spec, num_layers)), device) {}

  // The linear layer into the vocabulary.
  virtual OutputLayer output_layer() const = 0;

 private:
  at::Tensor output_rows(const DeviceBatch& batch, const LayerMap& blocks,
                         const PassOptions& options) const;

  ModelSpec spec_;
  int64_t num_layers_;
  ParameterSet parameters_;
};

// A model of `num_layers` unique layers with all weights zero. Throws UsageError for an
// architecture or sizes that cannot be.
std::unique_ptr<LanguageModel> make_model(const ModelSpec& spec, int64_t num_layers,
                                          at::Device device);

using ModelFactory = std::unique_ptr<LanguageModel> (*)(const ModelSpec& spec, int64_t num_layers,
                                                        at::Device device);
// How a registered architecture (arch/architecture.h) computes.
void register_model(Architecture architecture, ModelFactory make);

// The spec of a run's model, which begins from nothing.
ModelSpec new_model_spec(const RunConfig& config, int64_t vocab_size);

// "cpu", "cuda", "cuda:1", or "auto": a GPU where there is one. Without a number it is the first
// one, or that of the rank among those of this machine. Throws UsageError where the device is not
// there.
at::Device find_device(const std::string& name, int64_t local_rank = 0);

// Memory of the device that is free now, in bytes; 0 where nobody says. Half of it is what a run
// may plan with: other processes and the error of an estimate want their share.
double free_memory_bytes(at::Device device);
double memory_budget_bytes(at::Device device);

// Runs the operators of its lifetime in the precision asked for: nothing for fp32; for bf16 the
// device's automatic mixed precision, with float32 master weights.
class PrecisionScope {
 public:
  PrecisionScope(Precision precision, at::Device device);
  ~PrecisionScope();
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  bool active_;
  at::DeviceType device_type_;
};

}  // namespace apollo
