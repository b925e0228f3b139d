// What every optimizer is to the rest of the program: a step over the flat parameter buffer, and a
// state of named flat buffers with the layout of a group's parameters. Growth, checkpoints and
// copies move these buffers without knowing which optimizer owns them.
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

// Moments of a parameter buffer or a part of it, and how many updates each slot has seen.
struct OptimizerState {
  struct Buffer {
    std::string name;  // the name in checkpoints: "exp_avg"
    ParameterGroup group = ParameterGroup::kAll;
    std::shared_ptr<const ParameterLayout> layout;  // of the group's parameters
    at::Tensor values;                              // [part().size()]
    int64_t begin = 0;                              // where in the layout the values begin

    // The range of the layout that is here: all of it, or what this rank keeps.
    ElementRange part() const { return {begin, begin + values.numel()}; }
  };
  std::vector<Buffer> buffers;
  std::vector<int64_t> num_steps;  // one per slot of the layout

  // Returns the buffer of that name; throws Error if there is none.
  const Buffer& find(std::string_view name) const;
  const at::Tensor& buffer(std::string_view name) const { return find(name).values; }
};

// Returns a copy of all buffers in host memory.
OptimizerState copy_on_host(const OptimizerState& state);

// Returns a zero buffer for those parameters of a group that lie in `part` of the parameters'
// buffer.
OptimizerState::Buffer zero_buffer(std::string name, ParameterGroup group,
                                   const ParameterSet& parameters, ElementRange part);

// Whether a slot trains; `trained` comes from trained_slots(), or is empty if all slots train.
inline bool trains(const std::vector<bool>& trained, size_t slot) {
  return trained.empty() || trained[slot];
}

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // The name in checkpoints: "adamw".
  virtual const char* name() const = 0;
  // Returns zero moments and no updates, for all parameters or for those in `part` of their buffer,
  // which must be one of shares().
  OptimizerState fresh_state(const ParameterSet& parameters) const;
  virtual OptimizerState fresh_state(const ParameterSet& parameters, ElementRange part) const = 0;
  // Returns `count` parts of the parameters' buffer, one after the other, which as many ranks can
  // update to the same bits as one rank. Each needs only the gradients and moments of its own part.
  virtual std::vector<ElementRange> shares(const ParameterLayout& layout, int64_t count) const;
  // Updates all parameters of which `state` has moments from their gradients. With `trained`
  // (trained_slots()), only slots where it is true are updated; the others keep their values,
  // moments and step counts.
  virtual void step(ParameterSet& parameters, OptimizerState& state, double lr,
                    const std::vector<bool>& trained = {}) const = 0;
};

std::unique_ptr<Optimizer> make_optimizer(const RunConfig::Train& train);

// Returns the state for the grown layout. transport: moments and step counts move with the weights.
// keep: layer i keeps what slot i had, and new layers start empty (as in the reference
// implementation). reset: all start empty. kFresh layers start empty unless the rule is keep.
OptimizerState grow_optimizer_state(const OptimizerState& state, const ParameterLayout& from,
                                    const ParameterLayout& to, const LayerMap& map,
                                    OptimizerStateRule rule);

// Returns a whole buffer, given the part that this rank keeps of it.
using WholeBuffer = std::function<at::Tensor(const OptimizerState::Buffer& part)>;

// The same if each rank keeps a part: returns the moments of `part` of the grown parameters'
// buffer. Moments may come from any layer, so `whole` is called for one buffer after the other.
OptimizerState grow_optimizer_state(const OptimizerState& state, const ParameterLayout& from,
                                    const ParameterLayout& to, const LayerMap& map,
                                    OptimizerStateRule rule, ElementRange part,
                                    const WholeBuffer& whole);

}  // namespace apollo
