// The parameters of a model as one contiguous buffer with named views, and its gradients as a
// second of the same layout. Optimizer moments use the layout too, so growth, clipping and the
// update each work on whole buffers.
//
// Order: first every tensor that weight decay applies to, then the others; each starts at a
// multiple of 16 elements (64 bytes), so that results do not depend on where a tensor lies.
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

// Parameters that an optimizer treats alike: all of them, the hidden matrices
// (arch/hidden_matrices.h), or what these leave.
enum class ParameterGroup { kAll, kHiddenMatrices, kOthers };

bool belongs_to(ParameterGroup group, const ParameterSpec& spec);

struct ParameterSlot {
  ParameterSpec spec;
  int64_t offset = 0;  // in elements
  int64_t size = 0;    // without padding
};

class ParameterLayout {
 public:
  // Every slot begins at a multiple of so many elements, and every buffer ends at one.
  static constexpr int64_t kAlignment = 16;

  explicit ParameterLayout(const std::vector<ParameterSpec>& specs);

  const std::vector<ParameterSlot>& slots() const { return slots_; }
  // With padding, in elements.
  int64_t total_size() const { return total_size_; }
  ElementRange whole() const { return {0, total_size_}; }
  // Without padding.
  int64_t num_parameters() const { return num_parameters_; }
  // The slot of `name`; throws Error where there is none.
  const ParameterSlot& slot(std::string_view name) const;
  // Where what follows the slot of that number begins: its end with padding.
  int64_t end_of(size_t slot) const;
  // A layout of the group's parameters alone, in the same order.
  ParameterLayout of_group(ParameterGroup group) const;
  // The slot of a part of a layer, or null.
  const ParameterSlot* find_part(std::string_view part, int64_t layer) const;

 private:
  std::vector<ParameterSlot> slots_;
  std::unordered_map<std::string, size_t> by_name_;
  std::unordered_map<std::string, size_t> by_part_;  // "layer/part"
  int64_t total_size_ = 0;
  int64_t num_parameters_ = 0;
};

// `range` of a buffer of `layout` as a range of one of `group`, which has some of its slots in the
// same order: of their elements, those that lie in it.
ElementRange range_within(const ParameterLayout& layout, const ParameterLayout& group,
                          ElementRange range);

// Which slots train where the first `frozen_layers` layers and the embedding below them do not:
// those of the layers above and of the output head. 0: all.
std::vector<bool> trained_slots(const ParameterLayout& layout, int64_t frozen_layers);

// The view of one slot in a buffer of the layout.
at::Tensor slot_view(const at::Tensor& buffer, const ParameterSlot& slot);

class ParameterSet {
 public:
  // Zeros, float32, on `device`.
  ParameterSet(ParameterLayout layout, at::Device device);

  const ParameterLayout& layout() const { return layout_; }
  // [total_size]; its padding stays zero.
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients() const { return gradients_; }
  // The leaf of autograd for a slot: a view of values() whose .grad is a view of gradients().
  const at::Tensor& tensor(std::string_view name) const;
  const at::Tensor& part(std::string_view part, int64_t layer) const;

  // Draws the initial values: each tensor from a generator keyed by (seed, name), so that a
  // layer starts the same whatever else the model has.
  void initialize(uint64_t seed);
  // The same of the tensors of one layer.
  void initialize_layer(int64_t layer, uint64_t seed);
  void zero_gradients();
  // Gives up the gradient buffer: for models that are only evaluated.
  void drop_gradients();

 private:
  ParameterLayout layout_;
  at::Tensor values_;
  at::Tensor gradients_;
  std::vector<at::Tensor> leaves_;  // as layout_.slots()
};

}  // namespace apollo
