#include "model/growth_operators.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <map>
#include <string>

#include "progressive/layer_map.h"

namespace apollo {
namespace {

constexpr const char* kHeadOperators[] = {"query", "key", "value"};

// Returns the name of a part's depth operator; the weight and bias of a module share one.
std::string depth_operator(const std::string& part) {
  return "depth." + part.substr(0, part.rfind('.'));
}

int64_t sources(const WidthMap& map) {
  return 1 + *std::max_element(map.begin(), map.end());
}

ParameterLayout operator_layout(const WidthMaps& maps, const ParameterLayout& target,
                                int64_t source_layers, int64_t layers) {
  std::vector<ParameterSpec> specs;
  const auto add = [&](const std::string& name, int64_t rows, int64_t columns) {
    specs.push_back({.name = name, .part = name, .shape = {rows, columns}});
  };
  const auto add_width = [&](const std::string& name, const WidthMap& map) {
    add(name, static_cast<int64_t>(map.size()), sources(map));
  };
  add_width("residual", maps.residual);
  for (const char* name : kHeadOperators)
    add_width(name, maps.heads);
  add_width("inner", maps.inner);
  for (const ParameterSlot& slot : target.slots()) {
    const bool is_new = slot.spec.layer == 0 && slot.spec.part.ends_with(".weight");
    if (is_new) add(depth_operator(slot.spec.part), layers, source_layers);
  }
  return ParameterLayout(specs);
}

// Sets element (i, map[i]) of each row i to one.
void set_to_map(const at::Tensor& matrix, const std::vector<int64_t>& map) {
  const at::NoGradGuard no_grad;
  const at::Tensor columns = at::tensor(map, at::kLong).to(matrix.device()).unsqueeze(1);
  matrix.zero_();
  matrix.scatter_(1, columns, 1.0);
}

ParameterLayout layout_of(const ModelSpec& spec, const LayerMap& layers) {
  return ParameterLayout(model_parameters(spec, static_cast<int64_t>(layers.size())));
}

}  // namespace

GrowthOperators::GrowthOperators(const LanguageModel& source, const ModelSpec& spec,
                                 const LayerMap& layers, uint64_t seed)
    : source_(source),
      target_(layout_of(spec, layers), source.device()),
      maps_(width_maps(source.spec().shape, spec.shape)),
      operators_(operator_layout(maps_, target_.layout(), source.num_layers(),
                                 static_cast<int64_t>(layers.size())),
                 source.device()) {
  target_.initialize(seed);
  target_.drop_gradients();
  set_to_map(operators_.tensor("residual"), maps_.residual);
  for (const char* name : kHeadOperators)
    set_to_map(operators_.tensor(name), maps_.heads);
  set_to_map(operators_.tensor("inner"), maps_.inner);
  for (const ParameterSlot& slot : operators_.layout().slots()) {
    if (slot.spec.name.starts_with("depth.")) set_to_map(operators_.tensor(slot.spec.name), layers);
  }
}

// Returns [neurons of the larger model, neurons of the smaller]; for kQkv one for each third,
// [3, .., ..].
at::Tensor GrowthOperators::width_operator(const Axis& axis) const {
  const auto scaled = [&](const char* name, const WidthMap& map) -> at::Tensor {
    const at::Tensor& matrix = operators_.tensor(name);
    if (axis.role != AxisRole::kInput) return matrix;
    const std::vector<int64_t> counts = use_counts(map, sources(map));
    return matrix / at::tensor(counts, at::kFloat).to(matrix.device());
  };
  switch (axis.neurons) {
    case Neurons::kResidual:
      return scaled("residual", maps_.residual);
    case Neurons::kHeads:
      return scaled("value", maps_.heads);
    case Neurons::kInner:
      return scaled("inner", maps_.inner);
    case Neurons::kQkv:
      return at::stack(
          {operators_.tensor("query"), operators_.tensor("key"), operators_.tensor("value")});
    case Neurons::kFixed:
      break;
  }
  return {};
}

// Widens `values`, [layers, ...]: one tensor of the smaller model for each of its layers. The
// residual stream comes first, so that the number of operations does not depend on how a matrix is
// stored.
at::Tensor GrowthOperators::widen(const at::Tensor& values, const std::vector<Axis>& axes) const {
  at::Tensor wide = values;
  for (const bool residual : {true, false}) {
    for (size_t d = 0; d < axes.size(); ++d) {
      const Neurons neurons = axes[d].neurons;
      if (neurons == Neurons::kFixed || (neurons == Neurons::kResidual) != residual) continue;
      const auto dimension = static_cast<int64_t>(d) + 1;
      const at::Tensor matrix = width_operator(axes[d]);
      at::Tensor last = wide.transpose(dimension, -1);
      if (neurons == Neurons::kQkv) {
        const std::vector<at::Tensor> thirds = last.chunk(3, -1);
        std::vector<at::Tensor> grown;
        for (int64_t i = 0; i < 3; ++i)
          grown.push_back(at::matmul(thirds[static_cast<size_t>(i)], matrix[i].t()));
        last = at::cat(grown, -1);
      } else {
        last = at::matmul(last, matrix.t());
      }
      wide = last.transpose(dimension, -1);
    }
  }
  return wide;
}

// Returns a part in all layers of the larger model, [layers, ...], or [1, ...] outside the blocks.
at::Tensor GrowthOperators::expand_part(const ParameterSpec& spec) const {
  const ParameterSet& small = source_.parameters();
  const auto value = [&](int64_t layer) {
    return slot_view(small.values(), *small.layout().find_part(spec.part, layer));
  };
  if (spec.layer < 0) return widen(value(-1).unsqueeze(0), spec.axes);
  std::vector<at::Tensor> layers;
  for (int64_t j = 0; j < source_.num_layers(); ++j)
    layers.push_back(value(j));
  const at::Tensor wide = widen(at::stack(layers), spec.axes);
  const at::Tensor& depth = operators_.tensor(depth_operator(spec.part));
  std::vector<int64_t> shape = wide.sizes().vec();
  shape.front() = depth.size(0);
  return at::matmul(depth, wide.reshape({wide.size(0), -1})).view(shape);
}

at::Tensor GrowthOperators::expand() const {
  std::map<std::string, at::Tensor> parts;
  std::vector<at::Tensor> pieces;
  const std::vector<ParameterSlot>& slots = target_.layout().slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    const ParameterSpec& spec = slots[i].spec;
    auto part = parts.find(spec.part);
    if (part == parts.end()) part = parts.emplace(spec.part, expand_part(spec)).first;
    const at::Tensor grown = part->second[std::max<int64_t>(spec.layer, 0)].flatten();
    pieces.push_back(grown);
    // Growth does not reach these: further positions, and the padding.
    const int64_t end = i + 1 < slots.size() ? slots[i + 1].offset : target_.layout().total_size();
    const int64_t begin = slots[i].offset + grown.numel();
    pieces.push_back(target_.values().slice(0, begin, end));
  }
  return at::cat(pieces);
}

}  // namespace apollo
