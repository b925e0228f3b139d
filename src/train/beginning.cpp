#include "train/beginning.h"

#include "base/error.h"
#include "base/log.h"
#include "base/units.h"
#include "config/enum_names.h"
#include "model/growth.h"
#include "model/hf_folder.h"
#include "model/width_growth.h"
#include "train/learn_growth.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// Returns the hash of the folder's own tokenizer if no checkpoint states one; empty: it has none.
std::string tokenizer_hash(const SourceModel& source) {
  if (!source.tokenizer_hash.empty()) return source.tokenizer_hash;
  if (!has_tokenizer(source.folder)) return "";
  return load_tokenizer(source.folder.string())->hash();
}

void report_source(const Beginning& beginning, const RunConfig& config, const ModelShape& shape) {
  const SourceModel& source = *beginning.source;
  const RunConfig::Progressive& keys = config.progressive;
  log_info("begins from {}: {} layers, width {}, grown to {} layers, width {} by {}",
           source.folder.string(), source.shape.layers, source.shape.width,
           keys.stages.front().layers, shape.width, enum_name(keys.source_map));
  if (!source.cost) {
    log_warning("{}: nothing there says what its training took, so none of it is charged",
                source.folder.string());
  } else {
    log_info("the source's training took {} in {}, {}", format_flops(source.cost->flops),
             format_seconds(source.cost->seconds),
             keys.charge_source ? "charged to this run" : "not charged");
  }
  if (source.tokenizer_hash.empty()) {
    log_warning(
        "{}: nothing there says which tokenizer it was trained with; its vocabulary has the "
        "right size",
        source.folder.string());
  }
  const NormGap gap = norm_gap(width_maps(source.shape, shape).residual);
  if (keys.source_map == SourceMap::kFpi && gap.mean_shift > 0.0) {
    log_warning(
        "width {} is no multiple of {}: growth keeps the function up to norms alone, whose mean "
        "may "
        "shift by {:.3f} standard deviations, which may change by factors {:.3f} to {:.3f}",
        shape.width, source.shape.width, gap.mean_shift, gap.min_scale, gap.max_scale);
  }
}

std::unique_ptr<LanguageModel> load_source(const SourceModel& source, at::Device device) {
  auto model = load_hf_model(source.folder, device);
  model->parameters().drop_gradients();
  return model;
}

LayerMap first_layers(const RunConfig::Progressive& keys, int64_t source_layers) {
  const LayerMap map = growth_map(keys.layer_map, source_layers, keys.stages.front().layers);
  return keys.new_layers == NewLayers::kRandom ? without_copies(map) : map;
}

}  // namespace

Beginning plan_beginning(const ResolvedConfig& resolved, const ModelShape& shape,
                         const Tokenizer* tokenizer) {
  const RunConfig& config = resolved.config;
  Beginning beginning;
  if (config.model.from.empty()) return beginning;
  SourceModel source = read_source_model(source_path(config, resolved.base_dir));
  source.tokenizer_hash = tokenizer_hash(source);
  check_source(source, resolved, shape, tokenizer != nullptr ? tokenizer->hash() : "");
  beginning.before = cost_before_start(source, config, shape);
  beginning.learning_flops = growth_learning_flops(source, config, shape);
  beginning.source = std::move(source);
  report_source(beginning, config, shape);
  return beginning;
}

std::unique_ptr<LanguageModel> first_model(const Beginning& beginning, const RunConfig& config,
                                           ModelSpec& spec, const Batches& batches,
                                           at::Device device) {
  const RunConfig::Progressive& keys = config.progressive;
  const uint64_t seed = config.run.seed;
  if (!beginning.source) {
    auto model = make_model(spec, keys.stages.front().layers, device);
    model->parameters().initialize(seed);
    return model;
  }
  const auto source = load_source(*beginning.source, device);
  spec.norm_epsilon = source->spec().norm_epsilon;
  const LayerMap layers = first_layers(keys, source->num_layers());
  if (keys.source_map == SourceMap::kLigo) {
    return learn_growth(*source, spec, layers, batches, config);
  }
  const WidthRule rule = keys.source_map == SourceMap::kAki ? WidthRule::kAki : WidthRule::kFpi;
  return grow_model(*widen_model(*source, spec, rule, seed), layers,
                    {.kind = keys.new_layers, .seed = seed});
}

void describe_source(const Beginning& beginning, const RunConfig& config, StartRow& row) {
  if (!beginning.source) return;
  const SourceModel& source = *beginning.source;
  row.source = source.folder.string();
  row.source_layers = source.shape.layers;
  row.source_width = source.shape.width;
  row.source_map = enum_name(config.progressive.source_map);
  if (source.cost) {
    row.source_flops = source.cost->flops;
    row.source_wall_s = source.cost->seconds;
  }
  row.source_charged = config.progressive.charge_source && source.cost.has_value();
  row.source_learning_flops = beginning.learning_flops;
}

}  // namespace apollo
