#include "model/width_growth.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>

#include "base/error.h"
#include "progressive/layer_map.h"

namespace apollo {
namespace {

// Returns the map along a dimension of `size` source neurons.
WidthMap axis_map(Neurons neurons, const WidthMaps& maps, int64_t size) {
  switch (neurons) {
    case Neurons::kFixed:
      break;
    case Neurons::kResidual:
      return maps.residual;
    case Neurons::kHeads:
      return maps.heads;
    case Neurons::kInner:
      return maps.inner;
    case Neurons::kQkv: {
      WidthMap map;
      for (int64_t third = 0; third < 3; ++third) {
        for (const int64_t neuron : maps.heads)
          map.push_back(third * (size / 3) + neuron);
      }
      return map;
    }
  }
  WidthMap map(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i)
    map[static_cast<size_t>(i)] = i;
  return map;
}

// Returns 1 / (number of copies) for each neuron of the source.
at::Tensor inverse_counts(const WidthMap& map, int64_t size, const at::Tensor& like) {
  const std::vector<int64_t> counts = use_counts(map, size);
  return at::tensor(counts, at::kDouble).reciprocal().to(like.scalar_type()).to(like.device());
}

// Returns true for each neuron of the larger model that is the first copy of its source.
std::vector<bool> first_copies(const WidthMap& map, int64_t size) {
  std::vector<bool> seen(static_cast<size_t>(size), false), first(map.size(), false);
  for (size_t j = 0; j < map.size(); ++j) {
    const auto source = static_cast<size_t>(map[j]);
    first[j] = !seen[source];
    seen[source] = true;
  }
  return first;
}

// Returns `value` times `factors` along a dimension.
at::Tensor scaled_along(const at::Tensor& value, int64_t dimension, const at::Tensor& factors) {
  return (value.transpose(dimension, -1) * factors).transpose(dimension, -1);
}

// Returns `own` with its added outputs taken from `above`; both are already grown.
at::Tensor with_outputs_of(const at::Tensor& own, const at::Tensor& above, int64_t dimension,
                           const std::vector<bool>& is_own) {
  const std::vector<int64_t> flags(is_own.begin(), is_own.end());
  const at::Tensor mask = at::tensor(flags, at::kLong).to(at::kBool).to(own.device());
  return at::where(mask, own.transpose(dimension, -1), above.transpose(dimension, -1))
      .transpose(dimension, -1)
      .contiguous();
}

void check_shapes(const ModelShape& source, const ModelShape& target) {
  if (source.architecture == target.architecture && source.vocab_size == target.vocab_size &&
      source.context <= target.context && source.token_types == target.token_types) {
    return;
  }
  throw UsageError(
      "growth in width: the models differ in more than width, heads, inner width and context");
}

}  // namespace

at::Tensor grow_tensor(const at::Tensor& value, const std::vector<Axis>& axes,
                       const WidthMaps& maps) {
  at::Tensor grown = value;
  for (size_t d = 0; d < axes.size(); ++d) {
    if (axes[d].neurons == Neurons::kFixed) continue;
    const auto dimension = static_cast<int64_t>(d);
    const int64_t size = value.size(dimension);
    const WidthMap map = axis_map(axes[d].neurons, maps, size);
    if (axes[d].role == AxisRole::kInput) {
      grown = scaled_along(grown, dimension, inverse_counts(map, size, value));
    }
    grown = grown.index_select(dimension, at::tensor(map, at::kLong).to(value.device()));
  }
  return grown.contiguous();
}

at::Tensor grow_tensor(const at::Tensor& value, const at::Tensor& above,
                       const std::vector<Axis>& axes, const WidthMaps& maps) {
  const at::Tensor grown = grow_tensor(value, axes, maps);
  for (size_t d = 0; d < axes.size(); ++d) {
    if (axes[d].role != AxisRole::kOutput || axes[d].neurons == Neurons::kFixed) continue;
    const auto dimension = static_cast<int64_t>(d);
    const int64_t size = value.size(dimension);
    return with_outputs_of(grown, grow_tensor(above, axes, maps), dimension,
                           first_copies(axis_map(axes[d].neurons, maps, size), size));
  }
  return grown;
}

std::unique_ptr<LanguageModel> widen_model(const LanguageModel& source, const ModelSpec& spec,
                                           WidthRule rule, uint64_t seed) {
  check_shapes(source.spec().shape, spec.shape);
  const WidthMaps maps = width_maps(source.spec().shape, spec.shape);
  auto wide = make_model(spec, source.num_layers(), source.device());
  ParameterSet& parameters = wide->parameters();
  if (source.spec().shape.context < spec.shape.context) parameters.initialize(seed);
  const at::NoGradGuard no_grad;
  const at::Tensor& values = source.parameters().values();
  const ParameterLayout& layout = source.parameters().layout();
  for (const ParameterSlot& slot : parameters.layout().slots()) {
    const ParameterSlot& own = *layout.find_part(slot.spec.part, slot.spec.layer);
    const ParameterSlot* above = rule == WidthRule::kAki && slot.spec.layer >= 0
                                     ? layout.find_part(slot.spec.part, slot.spec.layer + 1)
                                     : nullptr;
    const at::Tensor value = slot_view(values, own);
    const at::Tensor grown =
        above == nullptr ? grow_tensor(value, slot.spec.axes, maps)
                         : grow_tensor(value, slot_view(values, *above), slot.spec.axes, maps);
    slot_view(parameters.values(), slot).narrow(0, 0, grown.size(0)).copy_(grown);
  }
  return wide;
}

}  // namespace apollo
