#include "train/checkpoint.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>
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

constexpr const char* kOptimizerFile = "apollo/optimizer.safetensors";
constexpr const char* kStateFile = "apollo/state.json";

SavedState saved_state(const TrainState& state, const CheckpointInfo& info) {
  return {.position = state.position,
          .flops_before = state.before.flops,
          .seconds_before = state.before.seconds,
          .tokens = state.tokens,
          .stage = state.stage,
          .eval_flops = state.eval_flops,
          .eval_seconds = state.eval_seconds,
          .energy_joules = state.energy_joules,
          .evaluations_due = state.evaluations_due,
          .checkpoints_due = state.checkpoints_due,
          .last_evaluated_step = state.last_evaluated_step,
          .best = state.best,
          .metrics_bytes = info.metrics_bytes,
          .optimizer = info.optimizer,
          .matmul = info.matmul,
          .config_hash = info.config_hash,
          .train_data = info.train_data,
          .valid_data = info.valid_data,
          .tokenizer = info.tokenizer_hash};
}

// Loads everything except the tensors.
LoadedCheckpoint from_saved(const SavedState& saved) {
  LoadedCheckpoint loaded;
  loaded.state.position = saved.position;
  loaded.state.before = {saved.flops_before, saved.seconds_before};
  loaded.state.tokens = saved.tokens;
  loaded.state.stage = saved.stage;
  loaded.state.eval_flops = saved.eval_flops;
  loaded.state.eval_seconds = saved.eval_seconds;
  loaded.state.energy_joules = saved.energy_joules;
  loaded.state.evaluations_due = saved.evaluations_due;
  loaded.state.checkpoints_due = saved.checkpoints_due;
  loaded.state.last_evaluated_step = saved.last_evaluated_step;
  loaded.state.best = saved.best;
  loaded.info = {.config_hash = saved.config_hash,
                 .train_data = saved.train_data,
                 .valid_data = saved.valid_data,
                 .tokenizer_hash = saved.tokenizer,
                 .metrics_bytes = saved.metrics_bytes,
                 .optimizer = saved.optimizer,
                 .matmul = saved.matmul};
  return loaded;
}

// Returns the hash of every file of the folder except the state itself, by its path in the folder.
std::map<std::string, std::string> hashes_of(const fs::path& dir) {
  std::map<std::string, std::string> hashes;
  for (const auto& entry : fs::recursive_directory_iterator(dir)) {
    const std::string name = entry.path().lexically_relative(dir).generic_string();
    if (entry.is_regular_file() && name != kStateFile) hashes[name] = hash_file(entry.path());
  }
  return hashes;
}

void check_files(const fs::path& dir, const SavedState& saved) {
  for (const char* needed : {"config.json", "model.safetensors", kOptimizerFile}) {
    if (!saved.files.contains(needed)) {
      fail<CheckpointError>("{}: no hash of '{}' is noted", kStateFile, needed);
    }
  }
  for (const auto& [name, hash] : saved.files) {
    if (hash_file(dir / name) != hash) {
      fail<CheckpointError>("{}: its content is not what was saved", name);
    }
  }
}

constexpr std::array<std::string_view, 3> kGroupNames = {"all", "hidden_matrices", "others"};

void save_optimizer(const OptimizerState& optimizer, const ParameterLayout& layout,
                    const fs::path& path) {
  NamedTensors tensors;
  Json groups = Json::object();
  for (const OptimizerState::Buffer& buffer : optimizer.buffers) {
    for (const ParameterSlot& slot : buffer.layout->slots())
      tensors.emplace_back(buffer.name + "." + slot.spec.name, slot_view(buffer.values, slot));
    groups[buffer.name] = kGroupNames.at(static_cast<size_t>(buffer.group));
  }
  Json num_steps = Json::object();
  for (size_t i = 0; i < layout.slots().size(); ++i)
    num_steps[layout.slots()[i].spec.name] = optimizer.num_steps[i];
  write_safetensors(path, tensors, {{"buffers", groups.dump()}, {"num_steps", num_steps.dump()}});
}

// Apollo 0.1 and early 0.2 wrote AdamW's moments without naming the groups.
Json groups_of_buffers(const SafetensorsFile& file) {
  const auto found = file.metadata.find("buffers");
  if (found != file.metadata.end()) return parse_json(found->second);
  return {{"exp_avg", "all"}, {"exp_avg_sq", "all"}};
}

// Loads the buffers that the file holds, for the parameters in `part`.
OptimizerState load_optimizer(const fs::path& path, const ParameterSet& parameters,
                              ElementRange part) {
  const SafetensorsFile file = map_safetensors(path);
  const std::map<std::string, at::Tensor> found(file.tensors.begin(), file.tensors.end());
  const Json num_steps = parse_json(file.metadata.at("num_steps"));
  const at::NoGradGuard no_grad;
  OptimizerState optimizer;
  const Json groups = groups_of_buffers(file);
  for (const auto& [name, group_name] : groups.items()) {
    const auto* known =
        std::find(kGroupNames.begin(), kGroupNames.end(), group_name.get<std::string>());
    if (known == kGroupNames.end()) {
      fail<CheckpointError>("{}: buffer '{}' is of an unknown group {}", kOptimizerFile, name,
                            group_name.dump());
    }
    const auto group = static_cast<ParameterGroup>(known - kGroupNames.begin());
    optimizer.buffers.push_back(zero_buffer(name, group, parameters, part));
    const OptimizerState::Buffer& buffer = optimizer.buffers.back();
    for (const ParameterSlot& slot : buffer.layout->slots()) {
      const at::Tensor& saved = found.at(name + "." + slot.spec.name);
      const ElementRange own = common_part({slot.offset, slot.offset + slot.size}, buffer.part());
      if (saved.sizes() != slot.spec.shape) {
        fail<CheckpointError>("{}: '{}' of '{}' is not of the parameter's shape", kOptimizerFile,
                              name, slot.spec.name);
      }
      if (own.size() == 0) continue;
      buffer.values.narrow(0, own.begin - buffer.begin, own.size())
          .copy_(saved.flatten().narrow(0, own.begin - slot.offset, own.size()));
    }
  }
  for (const ParameterSlot& slot : parameters.layout().slots())
    optimizer.num_steps.push_back(num_steps.at(slot.spec.name).get<int64_t>());
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

fs::path folder_of_revisions(const fs::path& checkpoints) {
  return checkpoints.parent_path() / "revisions";
}

// Returns the names of the checkpoints that are kept: the best one, and those to which the links in
// the folder of revisions point.
std::set<fs::path> list_staying(const fs::path& checkpoints) {
  std::set<fs::path> names;
  const fs::path best = checkpoints / "best";
  if (fs::is_symlink(best)) names.insert(fs::read_symlink(best).filename());
  const fs::path folder = folder_of_revisions(checkpoints);
  if (!fs::exists(folder)) return names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_symlink()) names.insert(fs::read_symlink(entry.path()).filename());
  }
  return names;
}

// Called before the checkpoint becomes the latest, so that a run killed in between names it again.
void name_revisions(const fs::path& checkpoints, const std::string& checkpoint,
                    const std::vector<std::string>& names) {
  if (names.empty()) return;
  const fs::path folder = folder_of_revisions(checkpoints);
  fs::create_directories(folder);
  for (const std::string& name : names)
    replace_link(folder / name, (fs::path("..") / checkpoints.filename() / checkpoint).string());
}

// Also removes what a kill left half written, because the folder belongs only to this process.
void remove_old(const fs::path& checkpoints, const fs::path& newest, int64_t keep) {
  std::vector<fs::path> torn;
  for (const auto& entry : fs::directory_iterator(checkpoints)) {
    if (entry.path().filename().string().starts_with(".step-")) torn.push_back(entry.path());
  }
  for (const fs::path& path : torn)
    fs::remove_all(path);
  const std::vector<fs::path> found = list_checkpoints(checkpoints);
  const std::set<fs::path> staying = list_staying(checkpoints);
  const auto keep_from = static_cast<int64_t>(found.size()) - std::max<int64_t>(keep, 1);
  for (int64_t i = 0; i < keep_from; ++i) {
    const fs::path& path = found[static_cast<size_t>(i)];
    if (path != newest && !staying.contains(path.filename())) fs::remove_all(path);
  }
}

LoadedCheckpoint load_checkpoint(const fs::path& dir, at::Device device,
                                 const PartOfMoments& part) {
  const SavedState saved = read_saved_state(dir / kStateFile);
  check_files(dir, saved);
  LoadedCheckpoint loaded = from_saved(saved);
  loaded.state.model = load_hf_model(dir, device);
  const ParameterSet& parameters = loaded.state.model->parameters();
  const ParameterLayout& layout = parameters.layout();
  loaded.state.optimizer =
      load_optimizer(dir / kOptimizerFile, parameters, part ? part(layout) : layout.whole());
  return loaded;
}

}  // namespace

CheckpointCopy copy_for_checkpoint(const TrainState& state, OptimizerState moments,
                                   const CheckpointInfo& info) {
  CheckpointCopy copy{.step = state.position.step,
                      .weights = weights_of(*state.model),
                      .optimizer = std::move(moments),
                      .state = saved_state(state, info)};
  copy.weights.values = copy.weights.values.to(at::TensorOptions(at::kCPU), /*non_blocking=*/false,
                                               /*copy=*/true);
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
    if (tokenizer != nullptr) {
      const ModelShape& shape = copy.weights.spec.shape;
      save_hf_tokenizer(*tokenizer, fresh, shape.context,
                        describe(shape.architecture).takes_segments);
    }
    save_optimizer(copy.optimizer, copy.weights.layout, fresh / kOptimizerFile);
    SavedState state = copy.state;
    state.files = hashes_of(fresh);
    write_file_atomic(fresh / kStateFile, to_json(state).dump(2) + "\n");
  });
  name_revisions(checkpoints, name, copy.revisions);
  if (copy.is_best) replace_link(checkpoints / "best", name);
  replace_link(checkpoints / "latest", name);
  remove_old(checkpoints, dir, keep);
  return dir;
}

std::optional<LoadedCheckpoint> load_latest_checkpoint(const fs::path& checkpoints,
                                                       at::Device device,
                                                       const PartOfMoments& part) {
  const fs::path latest = checkpoints / "latest";
  if (!fs::exists(fs::symlink_status(latest))) return std::nullopt;
  try {
    return load_checkpoint(fs::canonical(latest), device, part);
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
