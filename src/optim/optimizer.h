// What every optimizer is to the rest of the program: a step over the flat parameter buffer, and a
// state of named flat buffers, laid out as the parameters of a group are, which growth, checkpoints
// and copies move without knowing whose they are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/run_config.h"
#include "model/parameters.h"
#include "progressive/layer_map.h"

namespace apollo {

// Moments of a parameter buffer, and how many updates each slot has seen.
struct OptimizerState {
  struct Buffer {
    std::string name;  // as checkpoints call it: "exp_avg"
    ParameterGroup group = ParameterGroup::kAll;
    std::shared_ptr<const ParameterLayout> layout;  // of the group's parameters
    at::Tensor values;                              // [layout->total_size()]
  };
  std::vector<Buffer> buffers;
  std::vector<int64_t> num_steps;  // one per slot of the layout

  // The buffer of that name; throws Error where there is none.
  const Buffer& find(std::string_view name) const;
  const at::Tensor& buffer(std::string_view name) const { return find(name).values; }
};

// A buffer of zeros for the parameters of a group.
OptimizerState::Buffer zero_buffer(std::string name, ParameterGroup group,
                                   const ParameterSet& parameters);

// Whether a slot trains: `trained` as of trained_slots(), or empty for all.
inline bool trains(const std::vector<bool>& trained, size_t slot) {
  return trained.empty() || trained[slot];
}

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // As checkpoints call it: "adamw".
  virtual const char* name() const = 0;
  // All moments zero, no updates seen.
  virtual OptimizerState fresh_state(const ParameterSet& parameters) const = 0;
  // One update of all parameters from their gradients; or of the slots for which `trained` is true
  // (trained_slots()), the others then being left as they are, with their moments and step counts.
  virtual void step(ParameterSet& parameters, OptimizerState& state, double lr,
                    const std::vector<bool>& trained = {}) const = 0;
};

std::unique_ptr<Optimizer> make_optimizer(const RunConfig::Train& train);

// The state for the grown layout.
// transport: moments and step counts travel with the weights. keep: layer i keeps what slot i had,
// new layers start empty (the reference implementation). reset: all start empty. kFresh layers
// start empty by every rule but keep.
OptimizerState grow_optimizer_state(const OptimizerState& state, const ParameterLayout& from,
                                    const ParameterLayout& to, const LayerMap& map,
                                    OptimizerStateRule rule);

}  // namespace apollo
