// The parameters of a model as one contiguous buffer with named views, and its gradients as a
// second buffer of the same layout. The optimizer's moments use the layout too, so growth, clipping
// and the update work on whole buffers.
//
// Tensors with weight decay come first, then the others. Each starts at a multiple of 16 elements
// (64 bytes), so that results do not depend on where a tensor lies.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "arch/parameter_spec.h"
#include "base/element_range.h"

namespace apollo {

// Parameters that an optimizer treats alike: all of them, only the hidden matrices
// (arch/hidden_matrices.h), or only the others.
enum class ParameterGroup { kAll, kHiddenMatrices, kOthers };

bool belongs_to(ParameterGroup group, const ParameterSpec& spec);

struct ParameterSlot {
  ParameterSpec spec;
  int64_t offset = 0;  // in elements
  int64_t size = 0;    // without padding
};

class ParameterLayout {
 public:
  // Every slot begins at a multiple of this many elements, and every buffer ends at one.
  static constexpr int64_t kAlignment = 16;

  explicit ParameterLayout(const std::vector<ParameterSpec>& specs);

  const std::vector<ParameterSlot>& slots() const { return slots_; }
  // In elements, with padding.
  int64_t total_size() const { return total_size_; }
  ElementRange whole() const { return {0, total_size_}; }
  // In elements, without padding.
  int64_t num_parameters() const { return num_parameters_; }
  // Returns the slot of `name`; throws Error if there is none.
  const ParameterSlot& slot(std::string_view name) const;
  // Returns where slot number `slot` ends, padding included: the next slot begins there.
  int64_t end_of(size_t slot) const;
  // Returns a layout of only the group's parameters, in the same order.
  ParameterLayout of_group(ParameterGroup group) const;
  // Returns the slot of a part of a layer, or null.
  const ParameterSlot* find_part(std::string_view part, int64_t layer) const;

 private:
  std::vector<ParameterSlot> slots_;
  std::unordered_map<std::string, size_t> by_name_;
  std::unordered_map<std::string, size_t> by_part_;  // "layer/part"
  int64_t total_size_ = 0;
  int64_t num_parameters_ = 0;
};

// Translates `range` of a buffer of `layout` into a range of a buffer of `group`, which has some of
// its slots in the same order. The result holds those elements of `range` that the group has.
ElementRange range_within(const ParameterLayout& layout, const ParameterLayout& group,
                          ElementRange range);

// Returns which slots train if the embedding and the first `frozen_layers` layers do not: those of
// the layers above and of the output head. With 0 frozen layers all slots train.
std::vector<bool> trained_slots(const ParameterLayout& layout, int64_t frozen_layers);

// Returns the view of one slot in a buffer of the layout.
at::Tensor slot_view(const at::Tensor& buffer, const ParameterSlot& slot);

class ParameterSet {
 public:
  // Creates zeros in float32 on `device`.
  ParameterSet(ParameterLayout layout, at::Device device);

  const ParameterLayout& layout() const { return layout_; }
  // [total_size]; the padding stays zero.
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }
  // Returns the autograd leaf of a slot: a view of values() whose .grad is a view of gradients().
  const at::Tensor& tensor(std::string_view name) const;
  const at::Tensor& part(std::string_view part, int64_t layer) const;

  // Draws the initial values. Each tensor has a generator keyed by (seed, name), so that a layer
  // starts the same whatever else the model has.
  void initialize(uint64_t seed);
  // The same for the tensors of one layer.
  void initialize_layer(int64_t layer, uint64_t seed);
  void zero_gradients();
  // Releases the gradient buffer, for models that are only evaluated.
  void drop_gradients();

 private:
  ParameterLayout layout_;
  at::Tensor values_;
  at::Tensor gradients_;
  std::vector<at::Tensor> leaves_;  // in the order of layout_.slots()
};

}  // namespace apollo
