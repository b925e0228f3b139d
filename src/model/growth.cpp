#include "model/growth.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#include "base/error.h"

namespace apollo {

at::Tensor grow_buffer(const at::Tensor& buffer, const ParameterLayout& from,
                       const ParameterLayout& to, const LayerMap& map) {
  const at::NoGradGuard no_grad;
  at::Tensor grown = at::zeros({to.total_size()}, buffer.options());
  for (const ParameterSlot& target : to.slots()) {
    const int64_t layer =
        target.spec.layer < 0 ? -1 : map.at(static_cast<size_t>(target.spec.layer));
    const ParameterSlot* source = from.find_part(target.spec.part, layer);
    if (source == nullptr || source->spec.shape != target.spec.shape) {
      fail<CheckpointError>("growth: no source of the same shape for parameter '{}'",
                            target.spec.name);
    }
    slot_view(grown, target).copy_(slot_view(buffer, *source));
  }
  return grown;
}

std::unique_ptr<LanguageModel> grow_model(const LanguageModel& model, const LayerMap& map) {
  auto grown = make_model(model.spec(), static_cast<int64_t>(map.size()), model.device());
  const ParameterSet& source = model.parameters();
  const at::NoGradGuard no_grad;
  grown->parameters().values().copy_(
      grow_buffer(source.values(), source.layout(), grown->parameters().layout(), map));
  return grown;
}

}  // namespace apollo
