// What the trainer and the tools know of a model: N unique layers, a pass of any depth over them,
// a loss, logits. An architecture is one file that implements LanguageModel, its list of
// parameters (with the names of Hugging Face) and its config.json.
//
// Shape suffixes: B sequences, T positions, W width, H heads, K = W/H, V vocabulary, N = B*T rows.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "model/parameters.h"
#include "progressive/flops.h"
#include "progressive/layer_map.h"

namespace apollo {

// What a model is, apart from its weights and the number of its unique layers.
struct ModelSpec {
  ModelShape shape;                                     // `layers` is the depth of the final model
  LayerMapKind layer_map = LayerMapKind::kInterpolate;  // how its passes share layers
  double dropout = 0.0;
  double norm_epsilon = 1e-5;

  bool operator==(const ModelSpec&) const = default;
};

// Tokens on the model's device. `targets` hold ids in [0, V).
struct DeviceBatch {
  at::Tensor inputs_BT;   // int64
  at::Tensor targets_BT;  // int64
};

// How a pass runs, apart from its depth.
struct PassOptions {
  bool training = false;  // dropout acts
  Kernels kernels = Kernels::kFused;
  Precision precision = Precision::kFp32;
};

class LanguageModel {
 public:
  virtual ~LanguageModel() = default;

  // Sum over the targets of -log p(target), in nats; divide by num_targets() for the mean.
  // Block i of the pass runs with the weights of layer `blocks[i]`.
  virtual at::Tensor loss_sum(const DeviceBatch& batch, const LayerMap& blocks,
                              const PassOptions& options) const = 0;
  // log p(target) of each target, [B, T], without gradient.
  virtual at::Tensor log_probability(const DeviceBatch& batch, const LayerMap& blocks,
                                     const PassOptions& options) const = 0;
  // [B, T, V].
  virtual at::Tensor logits(const at::Tensor& inputs_BT, const LayerMap& blocks,
                            const PassOptions& options) const = 0;

  const ModelSpec& spec() const { return spec_; }
  // Unique layers that exist now.
  int64_t num_layers() const { return num_layers_; }
  // The blocks of a pass of `depth`, num_layers() <= depth.
  LayerMap blocks(int64_t depth) const { return sharing_map(spec_.layer_map, num_layers_, depth); }
  const ParameterSet& parameters() const { return parameters_; }
  ParameterSet& parameters() { return parameters_; }
  at::Device device() const { return parameters_.values().device(); }

 protected:
  LanguageModel(const ModelSpec& spec, int64_t num_layers, ParameterLayout layout,
                at::Device device)
      : spec_(spec), num_layers_(num_layers), parameters_(std::move(layout), device) {}

 private:
  ModelSpec spec_;
  int64_t num_layers_;
  ParameterSet parameters_;
};

// A model of `num_layers` unique layers with all weights zero. Throws UsageError for an
// architecture or sizes that cannot be.
std::unique_ptr<LanguageModel> make_model(const ModelSpec& spec, int64_t num_layers,
                                          at::Device device);

// The parameters of `num_layers` unique layers, in the order of the model.
std::vector<ParameterSpec> model_parameters(const ModelSpec& spec, int64_t num_layers);

// "cpu", "cuda", "cuda:1", or "auto": the first GPU where there is one. Throws UsageError where
// the device is not there.
at::Device find_device(const std::string& name);

// Memory of the device that a run may plan with, in bytes.
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
