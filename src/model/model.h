// What the trainer and the tools know of a model: N unique layers, passes of any depth over them, a
// loss, and logits. An architecture is one file that implements LanguageModel and one that
// describes it without tensors (arch/architecture.h).
//
// Shape suffixes: B sequences, T positions, W width, H heads, K = W/H, V vocabulary, N = B*T rows,
// M targets.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "arch/counts.h"
#include "data/token_batch.h"
#include "model/parameters.h"
#include "ops/attention_cache.h"
#include "ops/linear_cross_entropy.h"
#include "ops/mixed_precision.h"
#include "progressive/layer_map.h"

namespace apollo {

// Tokens on the model's device. Undefined tensors mean the usual case.
struct DeviceBatch {
  at::Tensor inputs_BT;       // int64, in [0, V)
  at::Tensor targets_M = {};  // int64, in [0, V)
  at::Tensor target_rows_M =
      {};  // int64: places b*T + t of the targets, ascending; undefined: M = B*T
  at::Tensor segments_BT = {};   // int64, BERT's token types; undefined: all 0
  at::Tensor documents_BT = {};  // int64: a position sees only those of its row with the same
                                 // number, which stand side by side; undefined: a row is one
};

// Copies rows [first, first + rows) of a batch to `device`.
DeviceBatch to_device(const TokenBatch& batch, int64_t first, int64_t rows, at::Device device);
// Copies the whole batch.
DeviceBatch to_device(const TokenBatch& batch, at::Device device);

// How a pass runs, apart from its depth.
struct PassOptions {
  bool training = false;  // dropout acts
  Kernels kernels = Kernels::kFused;
  Precision precision = Precision::kFp32;
  bool recompute = false;     // blocks are computed again in the backward pass, not kept for it
  int64_t frozen_blocks = 0;  // the embedding and so many first blocks run forward only
  double branch_scale = 1.0;  // factor on what each residual branch adds
  // On a CPU, what dropout zeroes is a function of this key and of the place in the pass. Other
  // devices draw from their own generator (ops/dropout.h).
  uint64_t dropout_key = 0;
  // For a causal model without gradient: the tokens follow those in the cache and are added to it.
  // Null: the sequences are complete.
  AttentionCache* cache = nullptr;
};

// Returns the options that the config sets for all passes; the others keep the defaults above.
PassOptions make_pass_options(const RunConfig& config, bool training);

// Returns the parameters of a model with `num_layers` unique layers, in the order of the model.
std::vector<ParameterSpec> model_parameters(const ModelSpec& spec, int64_t num_layers);

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  // Returns the last hidden state, [B, T, W], which the output head reads. Block i of the pass runs
  // with the weights of layer `blocks[i]`. Throws UsageError if the sequences exceed the context.
  virtual at::Tensor hidden(const DeviceBatch& batch, const LayerMap& blocks,
                            const PassOptions& options) const = 0;
  // The same only at the positions of the targets, [M, W], which is all that a loss needs. The last
  // block of an architecture may skip what only other positions would read;
  // last_layer_forward_flops() says what is left.
  virtual at::Tensor target_hidden(const DeviceBatch& batch, const LayerMap& blocks,
                                   const PassOptions& options) const;

  // Maps the last hidden state to the input of the output layer, [M, W] -> [M, W].
  virtual at::Tensor output_transform(const at::Tensor& x_MW, const PassOptions& options) const {
    (void)options;
    return x_MW;
  }

  // Returns the sum over the targets of -log p(target), in nats; divide it by the number of targets
  // for the mean. The output head runs only at the positions of the targets.
  at::Tensor loss_sum(const DeviceBatch& batch, const LayerMap& blocks,
                      const PassOptions& options) const;
  // The same for each target, without gradient.
  TargetScores score_targets(const DeviceBatch& batch, const LayerMap& blocks,
                             const PassOptions& options) const;
  // Returns the logits at the positions of the targets, [M, V], in float32.
  at::Tensor target_logits(const DeviceBatch& batch, const LayerMap& blocks,
                           const PassOptions& options) const;
  // Returns the logits at every position, [B, T, V], in float32.
  at::Tensor logits(const DeviceBatch& batch, const LayerMap& blocks,
                    const PassOptions& options) const;

  const ModelSpec& spec() const { return spec_; }
  // Whether a position sees only itself and earlier ones.
  bool is_causal() const { return objective_of(spec_.shape.architecture) == Objective::kCausal; }
  // The number of unique layers that exist now.
  int64_t num_layers() const { return num_layers_; }
  // Returns the blocks of a pass of `depth`, num_layers() <= depth.
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

// Creates a model of `num_layers` unique layers whose weights are all zero. Throws UsageError for
// an unknown architecture or impossible sizes.
std::unique_ptr<LanguageModel> make_model(const ModelSpec& spec, int64_t num_layers,
                                          at::Device device);

using ModelFactory = std::unique_ptr<LanguageModel> (*)(const ModelSpec& spec, int64_t num_layers,
                                                        at::Device device);
// Registers how an architecture computes (arch/architecture.h).
void register_model(Architecture architecture, ModelFactory make);

// Returns the spec of a run's model if it is trained from scratch.
ModelSpec new_model_spec(const RunConfig& config, int64_t vocab_size);

// Finds the device "cpu", "cuda", "cuda:1" or "auto" (a GPU if there is one). Without a number it
// is the GPU numbered `local_rank`, the rank among those of this machine. Throws UsageError if the
// device does not exist.
at::Device find_device(const std::string& name, int64_t local_rank = 0);

// Memory of the device that is free now, in bytes; 0 if unknown. A run plans with half of it, the
// budget, because other processes and the error of an estimate need their share.
double free_memory_bytes(at::Device device);
double memory_budget_bytes(at::Device device);

// Returns whether passes run in our own mixed precision (ops/mixed_precision.h): in bf16 on the CPU
// with kFused.
bool runs_own_mixed_precision(Precision precision, Kernels kernels, at::Device device);

// Throws UsageError if this machine cannot train in the precision: bf16 on a CPU takes one that
// multiplies bf16, which `cpu_has_bf16` says.
void check_precision(Precision precision, at::Device device, bool cpu_has_bf16);

// Runs all operators during its lifetime in the given precision. fp32 changes nothing. bf16 has
// float32 master weights, and is our own mixed precision or LibTorch's automatic one.
class PrecisionScope {
 public:
  PrecisionScope(Precision precision, Kernels kernels, at::Device device);
  ~PrecisionScope();
  PrecisionScope(const PrecisionScope&) = delete;
  PrecisionScope& operator=(const PrecisionScope&) = delete;

 private:
  std::optional<MixedPrecisionScope> own_;
  bool casts_;  // by LibTorch
  at::DeviceType device_type_;
};

}  // namespace apollo
