// What every optimizer is to the rest of the program: a step over the flat parameter buffer, and a
// state of named flat buffers, laid out as the parameters of a group are, which growth, checkpoints
// and copies move without knowing whose they are.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/run_config.h"
#include "model/parameters.h"
#include "progressive/layer_map.h"

namespace apollo {

// Moments of a parameter buffer or of a part of it, and how many updates each slot has seen.
struct OptimizerState {
  struct Buffer {
    std::string name;  // as checkpoints call it: "exp_avg"
    ParameterGroup group = ParameterGroup::kAll;
    std::shared_ptr<const ParameterLayout> layout;  // of the group's parameters
    at::Tensor values;                              // [part().size()]
    int64_t begin = 0;                              // where in the layout the values begin

    // Of the layout: all of it, or what this rank keeps of it.
    ElementRange part() const { return {begin, begin + values.numel()}; }
  };
  std::vector<Buffer> buffers;
  std::vector<int64_t> num_steps;  // one per slot of the layout

  // The buffer of that name; throws Error where there is none.
  const Buffer& find(std::string_view name) const;
  const at::Tensor& buffer(std::string_view name) const { return find(name).values; }
};

// A copy of all buffers in host memory.
OptimizerState copy_on_host(const OptimizerState& state);

// A buffer of zeros for the parameters of a group that lie in `part` of the parameters' buffer.
OptimizerState::Buffer zero_buffer(std::string name, ParameterGroup group,
                                   const ParameterSet& parameters, ElementRange part);

// Whether a slot trains: `trained` as of trained_slots(), or empty for all.
inline bool trains(const std::vector<bool>& trained, size_t slot) {
  return trained.empty() || trained[slot];
}

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // As checkpoints call it: "adamw".
  virtual const char* name() const = 0;
  // All moments zero, no updates seen: of all parameters, or of those in `part` of their buffer,
  // which is one of shares().
  OptimizerState fresh_state(const ParameterSet& parameters) const;
  virtual OptimizerState fresh_state(const ParameterSet& parameters, ElementRange part) const = 0;
  // Parts of the parameters' buffer, one after the other, that can be updated by `count` ranks to
  // the same bits as by one: each rank needs the gradients and the moments of its own part alone.
  virtual std::vector<ElementRange> shares(const ParameterLayout& layout, int64_t count) const;
  // One update, from their gradients, of all parameters that `state` has moments of; or of the
  // slots for which `trained` is true (trained_slots()), the others then being left as they are,
  // with their moments and step counts.
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

// All of a buffer of which `part` is what this rank keeps.
using WholeBuffer = std::function<at::Tensor(const OptimizerState::Buffer& part)>;

// The same where each rank keeps a part: the moments of `part` of the grown parameters' buffer.
// Moments may come from any layer, so `whole` is asked for one buffer after the other.
OptimizerState grow_optimizer_state(const OptimizerState& state, const ParameterLayout& from,
                                    const ParameterLayout& to, const LayerMap& map,
                                    OptimizerStateRule rule, ElementRange part,
                                    const WholeBuffer& whole);

}  // namespace apollo
