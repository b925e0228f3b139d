#include "progressive/source_model.h"

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "arch/hf_config.h"
#include "base/file.h"
#include "base/json_lines.h"
#include "config/enum_names.h"
#include "config/fields.h"
#include "config/objective.h"
#include "progressive/layer_map.h"
#include "progressive/methods.h"
#include "progressive/width_map.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kKey = "model.from";

Json read_object(const fs::path& path) {
  Json json;
  try {
    json = read_json(path);
  } catch (const DataError& error) {
    throw CheckpointError(error.what());
  }
  if (!json.is_object()) fail<CheckpointError>("{}: expected an object", path.string());
  return json;
}

fs::path state_path(const fs::path& folder) {
  return folder / "apollo" / "state.json";
}

double number(const fs::path& path, const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) {
    fail<CheckpointError>("{}: '{}' must be a number", path.string(), key);
  }
  return found->get<double>();
}

TrainingCost cost_before(const fs::path& path, const Json& state) {
  const auto before = state.find("before");
  if (before == state.end()) return {};
  return {number(path, *before, "flops"), number(path, *before, "seconds")};
}

}  // namespace

fs::path find_model_folder(const fs::path& path) {
  if (fs::exists(path / "config.json")) return path;
  const fs::path latest = path / "checkpoints" / "latest";
  if (fs::exists(latest / "config.json")) return latest;
  if (!fs::is_directory(path)) {
    fail<CheckpointError>("{}: {}; expected a checkpoint or a run", path.string(),
                          fs::exists(path) ? "not a folder" : "no such folder");
  }
  fail<CheckpointError>(
      "{}: neither config.json nor checkpoints/latest; expected a Hugging Face "
      "model folder or a run that has saved",
      path.string());
}

std::optional<TrainingCost> read_training_cost(const fs::path& folder) {
  const fs::path path = state_path(folder);
  if (!fs::exists(path)) return std::nullopt;
  const Json state = read_object(path);
  const auto position = state.find("position");
  if (position == state.end()) fail<CheckpointError>("{}: 'position' is missing", path.string());
  const TrainingCost before = cost_before(path, state);
  return TrainingCost{before.flops + number(path, *position, "flops"),
                      before.seconds + 3600.0 * number(path, *position, "hours")};
}

SourceModel read_source_model(const fs::path& path) {
  SourceModel source;
  source.folder = find_model_folder(path);
  // The depth is what the folder has: a checkpoint of a growing run is a model of its stage.
  const HfConfig config = read_hf_config(source.folder / "config.json");
  source.shape = config.spec.shape;
  source.shape.layers = config.num_layers;
  source.rope = config.spec.rope;
  source.local_rope = config.spec.local_rope;
  source.cost = read_training_cost(source.folder);
  if (source.cost) {
    source.tokenizer_hash = read_object(state_path(source.folder)).value("tokenizer", "");
  }
  return source;
}

fs::path source_path(const RunConfig& config, const fs::path& base_dir) {
  return base_dir / config.model.from;
}

void take_source(ResolvedConfig& resolved) {
  RunConfig& config = resolved.config;
  const fs::path path = source_path(config, resolved.base_dir);
  if (config.model.from.empty() || !fs::exists(path)) return;
  const SourceModel source = read_source_model(path);
  const auto take = [&](const char* key, auto& value, const auto& of_source) {
    if (resolved.is_set(key) || resolved.unreadable.contains(key)) return;
    value = of_source;
    resolved.origins[key] = "model.from";
  };
  const ModelShape& shape = source.shape;
  const ArchitectureInfo& architecture = describe(shape.architecture);
  RunConfig::Model& model = config.model;
  take("model.architecture", model.architecture, shape.architecture);
  if (!resolved.is_set("model.width")) {
    take("model.width", model.width, shape.width);
    take("model.heads", model.heads, shape.heads);
    take("model.inner_width", model.inner_width, shape.inner_width());
    if (architecture.groups_queries) {
      take("model.kv_heads", model.kv_heads, shape.kv_heads());
      take("model.head_dim", model.head_dim, shape.head_dim());
    }
  }
  take("model.layers", model.layers, shape.layers);
  take("model.context", model.context, shape.context);
  take("model.vocab_size", model.vocab_size, shape.vocab_size);
  if (source.rope.theta > 0.0) take("model.rope_theta", model.rope_theta, source.rope.theta);
  if (architecture.local.window > 0) {
    take("model.local_attention", model.local_attention, 2 * shape.local.window);
    take("model.global_attn_every_n_layers", model.global_attn_every_n_layers,
         shape.local.global_every);
    take("model.local_rope_theta", model.local_rope_theta, source.local_rope.theta);
  }
  if (architecture.may_untie) take("model.tie_embeddings", model.tie_embeddings, shape.tied);
  if (has_tokenizer(source.folder))
    take("data.tokenizer", config.data.tokenizer, fs::absolute(path).lexically_normal().string());
  if (!resolved.is_set("progressive.stages"))
    take("progressive.method", config.progressive.method, std::string("scratch"));
}

std::vector<std::string> settings_before_source(const ResolvedConfig& resolved) {
  const std::set<std::string_view> keys = {
      "model.architecture",    "model.width",           "model.heads",
      "model.inner_width",     "model.kv_heads",        "model.head_dim",
      "model.layers",          "model.context",         "model.vocab_size",
      "model.rope_theta",      "model.tie_embeddings",  "data.tokenizer",
      "progressive.method",    "model.local_attention", "model.global_attn_every_n_layers",
      "model.local_rope_theta"};
  std::vector<std::string> settings;
  visit_fields(
      [&](const Field& field, const auto& value) {
        const std::string path = field.path();
        if (keys.contains(path) && !resolved.is_set(path))
          settings.push_back(path + "=" + toml_text(value));
      },
      resolved.config);
  return settings;
}

std::vector<Diagnostic> source_key_faults(const RunConfig& config) {
  const RunConfig::Progressive& keys = config.progressive;
  std::vector<Diagnostic> faults;
  const bool needs_source = find_method(keys.method).needs_source;
  if (config.model.from.empty() && needs_source) {
    faults.push_back(
        {kKey,
         fmt::format("method '{}' begins from a trained model, but none is named", keys.method),
         "for example from = \"runs/small\""});
  } else if (config.model.from.empty() && keys.source_map != RunConfig::Progressive().source_map) {
    faults.push_back({"progressive.source_map",
                      fmt::format("says how a source grows, but no source is named (got '{}')",
                                  enum_name(keys.source_map)),
                      "name one in model.from, or remove the map"});
  }
  if (!config.model.from.empty() && keys.source_map == SourceMap::kLigo &&
      keys.new_layers != NewLayers::kCopy) {
    faults.push_back({"progressive.source_map",
                      "'ligo' learns what all layers are made of: it needs new_layers 'copy'", ""});
  }
  return faults;
}

std::vector<Diagnostic> source_faults(const SourceModel& source, const RunConfig& config,
                                      const ModelShape& shape, const std::string& tokenizer_hash) {
  std::vector<Diagnostic> faults;
  const auto refuse = [&](const std::string& message, const std::string& hint = "") {
    faults.push_back({kKey, fmt::format("{}: {}", source.folder.string(), message), hint});
  };
  const ModelShape& from = source.shape;
  if (from.architecture != shape.architecture) {
    refuse(fmt::format("the source is of architecture '{}', the model of '{}'",
                       enum_name(from.architecture), enum_name(shape.architecture)));
    return faults;
  }
  if (from.vocab_size != shape.vocab_size) {
    refuse(fmt::format("the source has a vocabulary of {}, the model one of {}", from.vocab_size,
                       shape.vocab_size),
           "data.tokenizer must be the source's");
  } else if (!source.tokenizer_hash.empty() && !tokenizer_hash.empty() &&
             source.tokenizer_hash != tokenizer_hash) {
    refuse("the source was trained with another tokenizer", "data.tokenizer must be the source's");
  }
  if (from.token_types != shape.token_types) {
    refuse(fmt::format("the source has {} token types, the model {}", from.token_types,
                       shape.token_types));
  }
  if (source.rope != model_rope(config)) {
    refuse(fmt::format("the source's positions rotate otherwise: rope_theta {}{}, the model's {}",
                       source.rope.theta, source.rope.scaling ? ", scaled as \"llama3\"" : "",
                       model_rope(config).theta),
           source.rope.scaling ? "" : fmt::format("model.rope_theta = {}", source.rope.theta));
  }
  if (from.local != shape.local || source.local_rope != model_local_rope(config)) {
    refuse(fmt::format(
        "the source's local blocks see otherwise: local_attention {}, "
        "global_attn_every_n_layers {}, local_rope_theta {}, the model's {}, {}, {}",
        2 * from.local.window, from.local.global_every, source.local_rope.theta,
        2 * shape.local.window, shape.local.global_every, model_local_rope(config).theta));
  }
  if (const std::string fault = width_growth_fault(from, shape); !fault.empty()) refuse(fault);
  const auto at_most = [&](const char* what, int64_t size, int64_t largest, const char* key) {
    if (size <= largest) return;
    refuse(
        fmt::format("the source's {} is larger than the model's, {} (got {})", what, largest, size),
        fmt::format("raise {}, or begin from a smaller model", key));
  };
  at_most("context", from.context, shape.context, "model.context");
  at_most("width", from.width, shape.width, "model.width");
  at_most("inner width", from.inner_width(), shape.inner_width(), "model.width");
  const int64_t first_layers = config.progressive.stages.front().layers;
  if (from.layers > first_layers) {
    refuse(fmt::format("the source has more layers than the first stage, {} (got {})", first_layers,
                       from.layers),
           "growth begins from the source: give the first stage at least as many layers");
  } else {
    try {
      growth_map(config.progressive.layer_map, from.layers, first_layers);
    } catch (const UsageError& error) {
      refuse(error.what());
    }
  }
  if (from.head == 0 && from.width <= shape.width &&
      from.width * shape.heads != shape.width * from.heads) {
    refuse(fmt::format("heads are copied whole, so their size must stay: the source's have {} "
                       "neurons, the model's {}",
                       from.width / from.heads, shape.width / shape.heads),
           shape.width % (from.width / from.heads) == 0
               ? fmt::format("model.heads = {}", shape.width / (from.width / from.heads))
               : fmt::format("a model.width that {} divides", from.width / from.heads));
  }
  return faults;
}

void check_source(const SourceModel& source, const ResolvedConfig& resolved,
                  const ModelShape& shape, const std::string& tokenizer_hash) {
  std::vector<Diagnostic> faults;
  for (const Diagnostic& fault : source_faults(source, resolved.config, shape, tokenizer_hash))
    faults.push_back(located(resolved, fault));
  throw_if_any(std::move(faults), resolved);
}

namespace {

// Returns the FLOPs of the products that widen one tensor. The dimensions of the residual stream
// come first, each by a matrix of [wide, narrow]. Queries, keys and values are widened one by one.
double widening_flops(const ParameterSpec& from, const ParameterSpec& to) {
  std::vector<double> sizes(from.shape.begin(), from.shape.end());
  double flops = 0.0;
  const auto widen = [&](size_t dimension) {
    double rest = 1.0;
    for (size_t other = 0; other < sizes.size(); ++other)
      rest *= other == dimension ? 1.0 : sizes[other];
    const bool thirds = from.axes[dimension].neurons == Neurons::kQkv;
    const auto wide = static_cast<double>(to.shape[dimension]);
    flops += 2.0 * wide * sizes[dimension] / (thirds ? 3.0 : 1.0) * rest;
    sizes[dimension] = wide;
  };
  for (const bool residual : {true, false}) {
    for (size_t dimension = 0; dimension < from.axes.size(); ++dimension) {
      const Neurons neurons = from.axes[dimension].neurons;
      if (neurons == Neurons::kFixed || (neurons == Neurons::kResidual) != residual) continue;
      widen(dimension);
    }
  }
  return flops;
}

}  // namespace

double growth_operator_flops(const ModelShape& source, const ModelShape& target, int64_t layers) {
  const ArchitectureInfo& architecture = describe(source.architecture);
  const auto from = architecture.parameters({source}, source.layers);
  const auto to = architecture.parameters({target}, source.layers);
  double flops = 0.0;
  for (size_t i = 0; i < from.size(); ++i)
    flops += widening_flops(from[i], to[i]);
  // Each new layer is a sum over all old ones.
  return flops + 2.0 * static_cast<double>(layers * source.layers) *
                     static_cast<double>(num_layer_parameters(target));
}

double growth_learning_flops(const SourceModel& source, const RunConfig& config,
                             const ModelShape& shape) {
  if (config.progressive.source_map != SourceMap::kLigo) return 0.0;
  const int64_t layers = config.progressive.stages.front().layers;
  const double pass =
      train_flops(shape, layers, config.train.batch_size, targets_per_sequence(config),
                  config.train.recompute == Recompute::kAll);
  const double operators = growth_operator_flops(source.shape, shape, layers);
  const auto steps = static_cast<double>(config.progressive.source_steps);
  // Each step runs forward and backward; one more forward makes the model with which training
  // begins.
  return steps * (pass + 3.0 * operators) + operators;
}

TrainingCost cost_before_start(const SourceModel& source, const RunConfig& config,
                               const ModelShape& shape) {
  TrainingCost before;
  if (config.progressive.charge_source && source.cost) before = *source.cost;
  before.flops += growth_learning_flops(source, config, shape);
  return before;
}

RunConfig after_cost(const RunConfig& config, double flops_before) {
  RunConfig left = config;
  Duration& duration = left.train.duration;
  if (duration.unit != DurationUnit::kFlops) return left;
  if (duration.value <= flops_before) {
    throw ConfigError({{"train.duration",
                        fmt::format("the source took {:.4g} FLOPs already, which count as the "
                                    "run's (got '{}')",
                                    flops_before, to_string(duration)),
                        "a longer run, or progressive.charge_source = false"}});
  }
  duration.value -= flops_before;
  return left;
}

}  // namespace apollo
