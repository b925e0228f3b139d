#include "train/checkpoint.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json_lines.h"
#include "model/hf_tokenizer.h"
#include "model/safetensors.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kFormatVersion = 1;
constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kOptimizerFile = "apollo/optimizer.safetensors";
constexpr const char* kStateFile = "apollo/state.json";

Json position_json(const RunPosition& position) {
  return {{"step", position.step}, {"flops", position.flops}, {"hours", position.hours}};
}

RunPosition read_position(const Json& json) {
  return {json.at("step").get<int64_t>(), json.at("flops").get<double>(),
          json.at("hours").get<double>()};
}

Json probe_json(const std::optional<DepthProbe>& probe) {
  if (!probe) return nullptr;
  return {{"position", position_json(probe->position)},
          {"loss", probe->loss},
          {"next_loss", probe->next_loss}};
}

std::optional<DepthProbe> read_probe(const Json& json) {
  if (json.is_null()) return std::nullopt;
  return DepthProbe{read_position(json.at("position")), json.at("loss").get<double>(),
                    json.at("next_loss").get<double>()};
}

Json state_json(const TrainState& state, const CheckpointInfo& info) {
  return {{"format_version", kFormatVersion},
          {"position", position_json(state.position)},
          {"before", {{"flops", state.before.flops}, {"seconds", state.before.seconds}}},
          {"tokens", state.tokens},
          {"stage",
           {{"index", state.stage.index},
            {"start", position_json(state.stage.start)},
            {"grown", position_json(state.stage.grown)},
            {"grown_from", state.stage.grown_from},
            {"probes_due", state.stage.probes_due},
            {"last_probe", probe_json(state.stage.last_probe)}}},
          {"eval_flops", state.eval_flops},
          {"eval_seconds", state.eval_seconds},
          {"energy_joules", state.energy_joules},
          {"evaluations_due", state.evaluations_due},
          {"checkpoints_due", state.checkpoints_due},
          {"last_evaluated_step", state.last_evaluated_step},
          {"metrics_bytes", info.metrics_bytes},
          {"config_hash", info.config_hash},
          {"train_data", info.train_data},
          {"valid_data", info.valid_data},
          {"tokenizer", info.tokenizer_hash}};
}

Json hashes_json(const fs::path& dir) {
  return {{kModelFile, hash_file(dir / kModelFile)},
          {kOptimizerFile, hash_file(dir / kOptimizerFile)}};
}

void read_state(const Json& json, TrainState& state, CheckpointInfo& info) {
  state.position = read_position(json.at("position"));
  // Checkpoints from before this key had nothing spent before their first step.
  if (json.contains("before")) {
    state.before = {json["before"].at("flops").get<double>(),
                    json["before"].at("seconds").get<double>()};
  }
  state.tokens = json.at("tokens").get<int64_t>();
  state.stage.index = json.at("stage").at("index").get<int64_t>();
  state.stage.start = read_position(json.at("stage").at("start"));
  // Keys that older checkpoints lack.
  state.stage.probes_due = json.at("stage").value("probes_due", int64_t{0});
  state.stage.grown_from = json.at("stage").value("grown_from", int64_t{0});
  state.stage.last_probe = read_probe(json.at("stage").value("last_probe", Json()));
  // Also one of these: each of their stages but the first began with growth.
  const bool has_grown = json.at("stage").contains("grown");
  state.stage.grown = has_grown ? read_position(json.at("stage").at("grown")) : state.stage.start;
  state.eval_flops = json.at("eval_flops").get<double>();
  state.eval_seconds = json.at("eval_seconds").get<double>();
  state.energy_joules = json.at("energy_joules").get<double>();
  state.evaluations_due = json.at("evaluations_due").get<int64_t>();
  state.checkpoints_due = json.at("checkpoints_due").get<int64_t>();
  state.last_evaluated_step = json.at("last_evaluated_step").get<int64_t>();
  info.metrics_bytes = json.at("metrics_bytes").get<int64_t>();
  info.config_hash = json.at("config_hash").get<std::string>();
  info.train_data = json.at("train_data").get<std::string>();
  info.valid_data = json.at("valid_data").get<std::string>();
  info.tokenizer_hash = json.at("tokenizer").get<std::string>();
}

void save_optimizer(const AdamWState& optimizer, const ParameterLayout& layout,
                    const fs::path& path) {
  NamedTensors tensors;
  Json num_steps = Json::object();
  for (size_t i = 0; i < layout.slots().size(); ++i) {
    const ParameterSlot& slot = layout.slots()[i];
    tensors.emplace_back("exp_avg." + slot.spec.name, slot_view(optimizer.exp_avg, slot));
    tensors.emplace_back("exp_avg_sq." + slot.spec.name, slot_view(optimizer.exp_avg_sq, slot));
    num_steps[slot.spec.name] = optimizer.num_steps[i];
  }
  write_safetensors(path, tensors, {{"num_steps", num_steps.dump()}});
}

AdamWState load_optimizer(const fs::path& path, const ParameterSet& parameters) {
  AdamWState optimizer = make_adamw_state(parameters);
  const SafetensorsFile file = read_safetensors(path);
  std::map<std::string, at::Tensor> found(file.tensors.begin(), file.tensors.end());
  const Json num_steps = Json::parse(file.metadata.at("num_steps"));
  const at::NoGradGuard no_grad;
  const auto& slots = parameters.layout().slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    slot_view(optimizer.exp_avg, slots[i]).copy_(found.at("exp_avg." + slots[i].spec.name));
    slot_view(optimizer.exp_avg_sq, slots[i]).copy_(found.at("exp_avg_sq." + slots[i].spec.name));
    optimizer.num_steps[i] = num_steps.at(slots[i].spec.name).get<int64_t>();
  }
  return optimizer;
}

std::vector<fs::path> list_checkpoints(const fs::path& checkpoints) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(checkpoints)) {
    if (entry.path().filename().string().starts_with("step-")) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

// Also what a kill left half written: the folder is this process's alone.
void remove_old(const fs::path& checkpoints, const fs::path& newest, int64_t keep) {
  std::vector<fs::path> torn;
  for (const auto& entry : fs::directory_iterator(checkpoints)) {
    if (entry.path().filename().string().starts_with(".step-")) torn.push_back(entry.path());
  }
  for (const fs::path& path : torn)
    fs::remove_all(path);
  const std::vector<fs::path> found = list_checkpoints(checkpoints);
  const auto keep_from = static_cast<int64_t>(found.size()) - std::max<int64_t>(keep, 1);
  for (int64_t i = 0; i < keep_from; ++i) {
    if (found[static_cast<size_t>(i)] != newest) fs::remove_all(found[static_cast<size_t>(i)]);
  }
}

LoadedCheckpoint load_checkpoint(const fs::path& dir, at::Device device) {
  const Json json = read_json(dir / kStateFile);
  const auto version = json.at("format_version").get<int64_t>();
  if (version != kFormatVersion) {
    fail<CheckpointError>("expected format version {}, found {}", kFormatVersion, version);
  }
  for (const auto& [name, hash] : json.at("files").items()) {
    if (hash_file(dir / name) != hash.get<std::string>()) {
      fail<CheckpointError>("{}: its content is not what was saved", name);
    }
  }
  LoadedCheckpoint loaded;
  read_state(json, loaded.state, loaded.info);
  loaded.state.model = load_hf_model(dir, device);
  loaded.state.optimizer = load_optimizer(dir / kOptimizerFile, loaded.state.model->parameters());
  return loaded;
}

}  // namespace

CheckpointCopy copy_for_checkpoint(const TrainState& state, const CheckpointInfo& info) {
  const auto to_host = [](const at::Tensor& buffer) {
    return buffer.to(at::TensorOptions(at::kCPU), /*non_blocking=*/false, /*copy=*/true);
  };
  CheckpointCopy copy{.step = state.position.step,
                      .weights = weights_of(*state.model),
                      .optimizer = {to_host(state.optimizer.exp_avg),
                                    to_host(state.optimizer.exp_avg_sq), state.optimizer.num_steps},
                      .state = state_json(state, info)};
  copy.weights.values = to_host(copy.weights.values);
  return copy;
}

fs::path write_checkpoint(const fs::path& checkpoints, const CheckpointCopy& copy,
                          const Tokenizer* tokenizer, int64_t keep) {
  std::error_code error;
  fs::create_directories(checkpoints, error);
  if (error) fail<Error>("{}: cannot make folder: {}", checkpoints.string(), error.message());
  const std::string name = fmt::format("step-{:08}", copy.step);
  const fs::path dir = checkpoints / name;
  write_folder_atomic(dir, [&](const fs::path& fresh) {
    fs::create_directories(fresh / "apollo");
    save_hf_model(copy.weights, fresh, config_tokens(tokenizer));
    if (tokenizer != nullptr) save_hf_tokenizer(*tokenizer, fresh, copy.weights.spec.shape.context);
    save_optimizer(copy.optimizer, copy.weights.layout, fresh / kOptimizerFile);
    Json state = copy.state;
    state["files"] = hashes_json(fresh);
    write_file_atomic(fresh / kStateFile, state.dump(2) + "\n");
  });
  replace_link(checkpoints / "latest", name);
  remove_old(checkpoints, dir, keep);
  return dir;
}

std::optional<LoadedCheckpoint> load_latest_checkpoint(const fs::path& checkpoints,
                                                       at::Device device) {
  const fs::path latest = checkpoints / "latest";
  if (!fs::exists(fs::symlink_status(latest))) return std::nullopt;
  try {
    return load_checkpoint(fs::canonical(latest), device);
  } catch (const std::exception& error) {
    std::error_code ignored;
    const std::string target = fs::read_symlink(latest, ignored).string();
    std::string others;
    for (const fs::path& path : list_checkpoints(checkpoints)) {
      if (path.filename() != target) others = path.filename().string();
    }
    fail<CheckpointError>(
        "{}: checkpoint '{}' is damaged: {}; hint: {}", checkpoints.string(), target, error.what(),
        others.empty()
            ? "remove the folder to start the run anew"
            : fmt::format("`ln -sfn {} {}` goes on from the one before", others, latest.string()));
  }
}

}  // namespace apollo
