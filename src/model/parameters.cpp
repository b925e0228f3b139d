#include "model/parameters.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/erfinv.h>
#include <ATen/ops/normal.h>
#include <ATen/ops/uniform.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <utility>

#include "arch/hidden_matrices.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"

namespace apollo {
namespace {

int64_t count_elements(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

std::string part_key(std::string_view part, int64_t layer) {
  return fmt::format("{}/{}", layer, part);
}

// Returns a seed of its own for every tensor name.
uint64_t tensor_seed(uint64_t seed, const std::string& name) {
  return random_bits(seed, RngStream::kInit,
                     std::stoull(hash_text(name).substr(0, 16), nullptr, 16));
}

// Draws N(0, init_std) within two deviations, from uniform numbers by the inverse of the
// distribution function, as torch.nn.init.trunc_normal_ does.
at::Tensor truncated_normal(const ParameterSpec& spec, const at::Generator& generator) {
  constexpr double kCutoff = 2.0;
  const double edge = std::erf(kCutoff / std::numbers::sqrt2);
  return at::empty(spec.shape, at::kFloat)
      .uniform_(-edge, edge, generator)
      .erfinv_()
      .mul_(spec.init_std * std::numbers::sqrt2)
      .clamp_(-kCutoff * spec.init_std, kCutoff * spec.init_std);
}

void initialize_slot(const at::Tensor& values, const ParameterSlot& slot, uint64_t seed) {
  const at::NoGradGuard no_grad;
  const at::Tensor target = slot_view(values, slot);
  switch (slot.spec.init) {
    case Init::kZeros:
      target.zero_();
      break;
    case Init::kOnes:
      target.fill_(1.0);
      break;
    case Init::kNormal:
    case Init::kTruncatedNormal: {
      // Drawn on the CPU for every device, so that a seed always means the same weights.
      auto generator = at::make_generator<at::CPUGeneratorImpl>(tensor_seed(seed, slot.spec.name));
      target.copy_(
          slot.spec.init == Init::kNormal
              ? at::empty(slot.spec.shape, at::kFloat).normal_(0.0, slot.spec.init_std, generator)
              : truncated_normal(slot.spec, generator));
      break;
    }
  }
}

}  // namespace

bool belongs_to(ParameterGroup group, const ParameterSpec& spec) {
  switch (group) {
    case ParameterGroup::kAll:
      return true;
    case ParameterGroup::kHiddenMatrices:
      return has_hidden_matrices(spec);
    case ParameterGroup::kOthers:
      return !has_hidden_matrices(spec);
  }
  return false;
}

ParameterLayout::ParameterLayout(const std::vector<ParameterSpec>& specs) {
  for (const bool decay : {true, false}) {
    for (const ParameterSpec& spec : specs) {
      if (spec.decay != decay) continue;
      const int64_t size = count_elements(spec.shape);
      by_name_.emplace(spec.name, slots_.size());
      by_part_.emplace(part_key(spec.part, spec.layer), slots_.size());
      slots_.push_back({spec, total_size_, size});
      num_parameters_ += size;
      total_size_ += (size + kAlignment - 1) / kAlignment * kAlignment;
    }
  }
}

const ParameterSlot& ParameterLayout::slot(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  if (found == by_name_.end()) fail<Error>("the model has no parameter '{}'", name);
  return slots_[found->second];
}

int64_t ParameterLayout::end_of(size_t slot) const {
  return slot + 1 < slots_.size() ? slots_[slot + 1].offset : total_size_;
}

ParameterLayout ParameterLayout::of_group(ParameterGroup group) const {
  std::vector<ParameterSpec> specs;
  for (const ParameterSlot& slot : slots_) {
    if (belongs_to(group, slot.spec)) specs.push_back(slot.spec);
  }
  return ParameterLayout(specs);
}

const ParameterSlot* ParameterLayout::find_part(std::string_view part, int64_t layer) const {
  const auto found = by_part_.find(part_key(part, layer));
  return found == by_part_.end() ? nullptr : &slots_[found->second];
}

ElementRange range_within(const ParameterLayout& layout, const ParameterLayout& group,
                          ElementRange range) {
  // Returns how many elements of the group lie before `place` of the layout.
  const auto place_of = [&](int64_t place) {
    size_t own = 0;
    int64_t found = 0;
    for (size_t i = 0; i < layout.slots().size() && own < group.slots().size(); ++i) {
      const ParameterSlot& slot = layout.slots()[i];
      if (slot.spec.name != group.slots()[own].spec.name) continue;
      const int64_t own_begin = group.slots()[own++].offset;
      if (slot.offset >= place) break;
      found = own_begin + std::min(place, layout.end_of(i)) - slot.offset;
    }
    return found;
  };
  return {place_of(range.begin), place_of(range.end)};
}

std::vector<bool> trained_slots(const ParameterLayout& layout, int64_t frozen_layers) {
  std::vector<bool> trained;
  for (const ParameterSlot& slot : layout.slots()) {
    trained.push_back(frozen_layers == 0 || slot.spec.role == Role::kHead ||
                      slot.spec.layer >= frozen_layers);
  }
  return trained;
}

at::Tensor slot_view(const at::Tensor& buffer, const ParameterSlot& slot) {
  return buffer.narrow(0, slot.offset, slot.size).view(slot.spec.shape);
}

ParameterSet::ParameterSet(ParameterLayout layout, at::Device device)
    : layout_(std::move(layout)),
      values_(at::zeros({layout_.total_size()}, at::TensorOptions(device).dtype(at::kFloat))),
      gradients_(at::zeros_like(values_)) {
  for (const ParameterSlot& slot : layout_.slots()) {
    at::Tensor leaf = slot_view(values_, slot).detach().requires_grad_(true);
    leaf.mutable_grad() = slot_view(gradients_, slot);
    leaves_.push_back(std::move(leaf));
  }
}

const at::Tensor& ParameterSet::tensor(std::string_view name) const {
  return leaves_[static_cast<size_t>(&layout_.slot(name) - layout_.slots().data())];
}

const at::Tensor& ParameterSet::part(std::string_view part, int64_t layer) const {
  const ParameterSlot* slot = layout_.find_part(part, layer);
  if (slot == nullptr) fail<Error>("layer {} has no parameter '{}'", layer, part);
  return leaves_[static_cast<size_t>(slot - layout_.slots().data())];
}

void ParameterSet::initialize(uint64_t seed) {
  for (const ParameterSlot& slot : layout_.slots())
    initialize_slot(values_, slot, seed);
}

void ParameterSet::initialize_layer(int64_t layer, uint64_t seed) {
  for (const ParameterSlot& slot : layout_.slots()) {
    if (slot.spec.layer == layer) initialize_slot(values_, slot, seed);
  }
}

void ParameterSet::zero_gradients() {
  gradients_.zero_();
}

void ParameterSet::drop_gradients() {
  for (at::Tensor& leaf : leaves_) {
    leaf.mutable_grad().reset();
    leaf.requires_grad_(false);
  }
  gradients_.reset();
}

}  // namespace apollo
