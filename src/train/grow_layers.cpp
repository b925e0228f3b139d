#include "train/grow_layers.h"

#include "base/log.h"
#include "model/growth.h"
#include "progressive/growth_effect.h"

namespace apollo {
namespace {

// Whether an old layer moves from a global place to a local one, or the other way round.
bool changes_kinds(const LayerMap& map, const LocalAttention& local) {
  const std::vector<bool> is_added = added_layers(map);
  for (size_t i = 0; i < map.size(); ++i) {
    if (!is_added[i] && local.is_local(static_cast<int64_t>(i)) != local.is_local(map[i]))
      return true;
  }
  return false;
}

}  // namespace

GrownLayers grow_layers(const TrainState& state, LayerMapKind kind, int64_t target,
                        const RunConfig& config, Shards& shards) {
  const RunConfig::Progressive& keys = config.progressive;
  const int64_t layers = state.model->num_layers();
  const bool keeps = growth_keeps_function(kind, layers, target, config.model.layers);
  if (keys.new_layers == NewLayers::kCopy && !keeps) {
    log_info("growth from {} to {} layers changes what the model computes at its full depth of {}",
             layers, target, config.model.layers);
  }
  GrownLayers grown;
  grown.map = growth_map(kind, layers, target);
  if (keys.new_layers == NewLayers::kIdentity &&
      changes_kinds(grown.map, state.model->spec().shape.local)) {
    log_info(
        "growth from {} to {} layers moves some between local and global places, which changes "
        "what the model computes (hint: layer_map = \"stack\" adds layers on top)",
        layers, target);
  }
  // Layers that do not continue the work of others have no moments.
  const LayerMap moments =
      keys.new_layers == NewLayers::kCopy ? grown.map : without_copies(grown.map);
  if (keys.new_layers == NewLayers::kRandom) grown.map = moments;
  grown.model =
      grow_model(*state.model, grown.map, {.kind = keys.new_layers, .seed = config.run.seed});
  const ParameterLayout& from = state.model->parameters().layout();
  const ParameterLayout& to = grown.model->parameters().layout();
  grown.optimizer = grow_optimizer_state(
      state.optimizer, from, to, moments, keys.optimizer_state, shards.own_part(to),
      [&](const OptimizerState::Buffer& buffer) { return shards.whole(buffer, from); });
  return grown;
}

}  // namespace apollo
