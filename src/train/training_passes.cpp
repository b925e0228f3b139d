#include "train/training_passes.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace apollo {
namespace {

// The first passes find out how the device's libraries compute; then a recording pays where passes
// come again, and random subnetworks hardly ever do.
constexpr int64_t kRunsBefore = 2;
// Passes that are waited for to come again, and recordings.
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

// What recomputation draws again, it draws from a state that it sets back: no recording can.
bool can_be_recorded(const LanguageModel& model, const PassOptions& pass) {
  return !(pass.recompute && pass.training && model.spec().dropout > 0.0);
}

}  // namespace

TrainingPasses::TrainingPasses(at::Device device, std::unique_ptr<DeviceGraphRecorder> recorder)
    : device_(device), recorder_(std::move(recorder)) {
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
  loss_.zero_();
  num_targets_.fill_(static_cast<double>(num_targets));
}

void TrainingPasses::run(const LanguageModel& model, const TokenBatch& batch, int64_t first,
                         int64_t rows, const LayerMap& blocks, const PassOptions& pass) {
  if (!records() || !can_be_recorded(model, pass)) {
    compute(model, to_device(batch, first, rows, device_), blocks, pass);
    return;
  }
  const DeviceBatch host_batch = to_device(batch, first, rows, at::kCPU);
  Recording* recording = recording_of(model, host_batch, blocks, pass);
  if (recording == nullptr) {
    compute(model, moved_to(device_, host_batch), blocks, pass);
    return;
  }
  for_each_pair(recording->batch, host_batch, [](at::Tensor& to, const at::Tensor& from) {
    if (to.defined()) to.copy_(from, /*non_blocking=*/true);
  });
  recording->graph->replay();
}

void TrainingPasses::compute(const LanguageModel& model, const DeviceBatch& batch,
                             const LayerMap& blocks, const PassOptions& pass) {
  const at::Tensor loss = model.loss_sum(batch, blocks, pass) / num_targets_;
  loss.backward();
  loss_ += loss.detach();
}

// Null where this pass is better launched operator by operator.
TrainingPasses::Recording* TrainingPasses::recording_of(const LanguageModel& model,
                                                        const DeviceBatch& batch,
                                                        const LayerMap& blocks,
                                                        const PassOptions& pass) {
  const Key key{blocks,
                batch.inputs_BT.size(0),
                size_of(batch.targets_M),
                batch.inputs_BT.size(1),
                batch.documents_BT.defined(),
                pass.recompute,
                pass.frozen_blocks,
                pass.branch_scale};
  if (recordings_.size() >= kMostKeys && !recordings_.contains(key)) {
    std::erase_if(recordings_, [](const auto& item) { return item.second.graph == nullptr; });
  }
  Recording& recording = recordings_[key];
  if (recording.graph != nullptr) return &recording;
  if (recording.num_runs++ < kRunsBefore || num_recorded() >= kMostRecordings) return nullptr;
  return try_record(model, recording, batch, blocks, pass) ? &recording : nullptr;
}

bool TrainingPasses::try_record(const LanguageModel& model, Recording& recording,
                                const DeviceBatch& batch, const LayerMap& blocks,
                                const PassOptions& pass) {
  recording.batch = moved_to(device_, batch);
  try {
    recording.graph = recorder_->record([this, &model, &recording, blocks, pass] {
      compute(model, recording.batch, blocks, pass);
    });
  } catch (const c10::OutOfMemoryError&) {
    log_warning(
        "no memory is left to record a pass of depth {}: passes are launched operator by operator "
        "from here on; hint: a smaller train.micro_batch_size, or run.cuda_graphs = false",
        blocks.size());
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
