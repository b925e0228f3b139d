#include "train/training_passes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "ops/dropout.h"

namespace apollo {
namespace {

// In the first passes the device's libraries find out how to compute. A recording pays only for
// passes that repeat, and random subnetworks hardly ever do.
constexpr int64_t kRunsBefore = 2;
// The largest numbers of passes that are remembered until they repeat, and of recordings.
constexpr size_t kMostKeys = 256;
constexpr int64_t kMostRecordings = 64;

int64_t size_of(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.numel() : 0;
}

void for_each_pair(DeviceBatch& to, const DeviceBatch& from, const auto& visit) {
  visit(to.inputs_BT, from.inputs_BT);
  visit(to.targets_M, from.targets_M);
  visit(to.target_rows_M, from.target_rows_M);
  visit(to.segments_BT, from.segments_BT);
  visit(to.documents_BT, from.documents_BT);
}

DeviceBatch moved_to(at::Device device, const DeviceBatch& batch) {
  DeviceBatch moved;
  for_each_pair(moved, batch, [&](at::Tensor& to, const at::Tensor& from) {
    if (from.defined()) to = from.to(device);
  });
  return moved;
}

// Recomputation draws again from a state that it restores, which no recording can do.
bool can_be_recorded(const LanguageModel& model, const PassOptions& options) {
  return !(options.recompute && options.training && model.spec().dropout > 0.0);
}

}  // namespace

TrainingPasses::TrainingPasses(at::Device device, const PassOptions& common,
                               std::unique_ptr<DeviceGraphRecorder> recorder)
    : device_(device), common_(common), recorder_(std::move(recorder)) {
  const at::TensorOptions scalar = at::TensorOptions(device).dtype(at::kFloat);
  loss_ = at::zeros({}, scalar);
  num_targets_ = at::full({}, 1.0, scalar);
}

int64_t TrainingPasses::num_recorded() const {
  return std::count_if(recordings_.begin(), recordings_.end(),
                       [](const auto& item) { return item.second.graph != nullptr; });
}

void TrainingPasses::begin_step(const LanguageModel& model, int64_t num_targets) {
  if (!recorded_weights_.is_same(model.parameters().values())) {
    forget();
    if (records()) recorded_weights_ = model.parameters().values();
  }
  num_targets_.fill_(static_cast<double>(num_targets));
}

at::Tensor TrainingPasses::run_tree(LanguageModel& model, const TokenBatch& batch,
                                    std::span<const PassPlan> passes) {
  const WeightCastScope cast_once_a_step;
  const at::Tensor losses = at::zeros({static_cast<int64_t>(passes.size())}, loss_.options());
  add_up(model, batch, passes, losses, /*level=*/0);
  return losses;
}

void TrainingPasses::add_up(LanguageModel& model, const TokenBatch& batch,
                            std::span<const PassPlan> passes, const at::Tensor& losses,
                            size_t level) {
  ParameterSet& parameters = model.parameters();
  if (passes.size() < 2) {
    parameters.zero_gradients();
    if (passes.empty()) return;
    run(model, batch, passes.front());
    losses[0].copy_(loss_);
    return;
  }
  const size_t half = passes.size() / 2;
  const auto middle = static_cast<int64_t>(half);
  add_up(model, batch, passes.first(half), losses.slice(0, 0, middle), level + 1);
  const at::Tensor first_half = sum_kept_at(level, parameters.gradients());
  add_up(model, batch, passes.subspan(half), losses.slice(0, middle), level + 1);
  parameters.gradients().add_(first_half);
}

at::Tensor TrainingPasses::sum_kept_at(size_t level, const at::Tensor& gradients) {
  if (sums_.size() <= level) sums_.resize(level + 1);
  at::Tensor& sum = sums_[level];
  if (!sum.defined() || sum.sizes() != gradients.sizes()) return sum = gradients.clone();
  return sum.copy_(gradients);
}

void TrainingPasses::run(const LanguageModel& model, const TokenBatch& batch,
                         const PassPlan& pass) {
  const PassOptions options = options_of(pass);
  if (options.training && model.spec().dropout > 0.0) seed_dropout(device_, pass.dropout_key);
  if (!records() || !can_be_recorded(model, options)) {
    compute(model, to_device(batch, pass.first, pass.rows, device_), pass.blocks, options);
    return;
  }
  const DeviceBatch host_batch = to_device(batch, pass.first, pass.rows, at::kCPU);
  Recording* recording = recording_of(model, host_batch, pass);
  if (recording == nullptr) {
    compute(model, moved_to(device_, host_batch), pass.blocks, options);
    return;
  }
  for_each_pair(recording->batch, host_batch, [](at::Tensor& to, const at::Tensor& from) {
    if (to.defined()) to.copy_(from, /*non_blocking=*/true);
  });
  recording->options = options;
  recording->graph->replay();
}

void TrainingPasses::compute(const LanguageModel& model, const DeviceBatch& batch,
                             const LayerMap& blocks, const PassOptions& options) {
  const at::Tensor loss = model.loss_sum(batch, blocks, options) / num_targets_;
  loss.backward();
  loss_.copy_(loss.detach());
}

PassOptions TrainingPasses::options_of(const PassPlan& pass) const {
  PassOptions options = common_;
  options.recompute = pass.recompute;
  options.frozen_blocks = pass.frozen;
  options.branch_scale = pass.branch_scale;
  options.dropout_key = pass.dropout_key;
  return options;
}

// Returns null if this pass is better launched operator by operator.
TrainingPasses::Recording* TrainingPasses::recording_of(const LanguageModel& model,
                                                        const DeviceBatch& batch,
                                                        const PassPlan& pass) {
  const Key key{pass.blocks,
                batch.inputs_BT.size(0),
                size_of(batch.targets_M),
                batch.inputs_BT.size(1),
                batch.documents_BT.defined(),
                pass.recompute,
                pass.frozen,
                pass.branch_scale};
  if (recordings_.size() >= kMostKeys && !recordings_.contains(key)) {
    std::erase_if(recordings_, [](const auto& item) { return item.second.graph == nullptr; });
  }
  Recording& recording = recordings_[key];
  if (recording.graph != nullptr) return &recording;
  if (recording.num_runs++ < kRunsBefore || num_recorded() >= kMostRecordings) return nullptr;
  return try_record(model, recording, batch, pass) ? &recording : nullptr;
}

bool TrainingPasses::try_record(const LanguageModel& model, Recording& recording,
                                const DeviceBatch& batch, const PassPlan& pass) {
  recording.batch = moved_to(device_, batch);
  recording.options = options_of(pass);
  try {
    recording.graph = recorder_->record([this, &model, &recording, blocks = pass.blocks] {
      compute(model, recording.batch, blocks, recording.options);
    });
  } catch (const c10::OutOfMemoryError&) {
    log_warning(
        "no memory is left to record a pass of depth {}: passes are launched operator by operator "
        "from here on; hint: a smaller train.micro_batch_size, or run.cuda_graphs = false",
        pass.depth());
    forget();
    recorder_.reset();
    return false;
  }
  return true;
}

void TrainingPasses::forget() {
  recordings_.clear();
  recorded_weights_.reset();
}

}  // namespace apollo
