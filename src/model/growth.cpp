#include "model/growth.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include "base/error.h"

namespace apollo {
namespace {

void close_branches(ParameterSet& parameters, int64_t layer) {
  for (const ParameterSlot& slot : parameters.layout().slots()) {
    if (slot.spec.layer == layer && slot.spec.role == Role::kBranchOutput) {
      slot_view(parameters.values(), slot).zero_();
    }
  }
}

// Fills `grown`, which holds only `part` of a buffer of layout `to`.
void fill_part(const at::Tensor& buffer, const ParameterLayout& from, const at::Tensor& grown,
               const ParameterLayout& to, const LayerMap& map, ElementRange part) {
  const at::NoGradGuard no_grad;
  for (const ParameterSlot& target : to.slots()) {
    const bool in_layer = target.spec.layer >= 0;
    const int64_t layer = in_layer ? map.at(static_cast<size_t>(target.spec.layer)) : -1;
    if (in_layer && layer == kFresh) continue;
    const ParameterSlot* source = from.find_part(target.spec.part, layer);
    if (source == nullptr || source->spec.shape != target.spec.shape) {
      fail<CheckpointError>("growth: no source of the same shape for parameter '{}'",
                            target.spec.name);
    }
    const ElementRange own = common_part({target.offset, target.offset + target.size}, part);
    if (own.size() == 0) continue;
    grown.narrow(0, own.begin - part.begin, own.size())
        .copy_(buffer.narrow(0, source->offset + own.begin - target.offset, own.size()));
  }
}

}  // namespace

void fill_grown(const at::Tensor& buffer, const ParameterLayout& from, const at::Tensor& grown,
                const ParameterLayout& to, const LayerMap& map) {
  fill_part(buffer, from, grown, to, map, to.whole());
}

at::Tensor grow_buffer(const at::Tensor& buffer, const ParameterLayout& from,
                       const ParameterLayout& to, const LayerMap& map) {
  return grow_buffer(buffer, from, to, map, to.whole());
}

at::Tensor grow_buffer(const at::Tensor& buffer, const ParameterLayout& from,
                       const ParameterLayout& to, const LayerMap& map, ElementRange part) {
  const at::Tensor grown = at::zeros({part.size()}, buffer.options());
  fill_part(buffer, from, grown, to, map, part);
  return grown;
}

std::unique_ptr<LanguageModel> grow_model(const LanguageModel& model, const LayerMap& map,
                                          const AddedLayers& added) {
  auto grown = make_model(model.spec(), static_cast<int64_t>(map.size()), model.device());
  ParameterSet& target = grown->parameters();
  const ParameterSet& source = model.parameters();
  const at::NoGradGuard no_grad;
  fill_grown(source.values(), source.layout(), target.values(), target.layout(), map);
  const std::vector<bool> is_added = added_layers(map);
  for (size_t i = 0; i < map.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    if (map[i] == kFresh) {
      target.initialize_layer(layer, added.seed);
    } else if (is_added[i] && added.kind == NewLayers::kIdentity) {
      close_branches(target, layer);
    }
  }
  return grown;
}

}  // namespace apollo
