// The forward and backward pass of one micro-batch. On a GPU, passes that come again are recorded
// (ops/device_graph.h): one recording for each sequence of blocks, that is for each depth.
#pragma once

#include <map>
#include <memory>
#include <tuple>

#include "model/model.h"
#include "ops/device_graph.h"

namespace apollo {

class TrainingPasses {
 public:
  // Without a recorder every pass is launched operator by operator.
  TrainingPasses(at::Device device, std::unique_ptr<DeviceGraphRecorder> recorder);

  bool records() const { return recorder_ != nullptr; }
  // Passes that were recorded and can be repeated now.
  int64_t num_recorded() const;

  // Begins a step of `num_targets` targets: its loss is 0. What was recorded of another model is
  // dropped.
  void begin_step(const LanguageModel& model, int64_t num_targets);
  // Rows [first, first + rows) of the batch: adds their part of the mean loss to the step's, and
  // its gradients to the model's.
  void run(const LanguageModel& model, const TokenBatch& batch, int64_t first, int64_t rows,
           const LayerMap& blocks, const PassOptions& pass);
  // Mean over the targets of the step, nats; a scalar on the device.
  const at::Tensor& loss() const { return loss_; }

 private:
  // What a recording is bound to: blocks, rows, targets, length, documents or none, and the options
  // of the pass.
  using Key = std::tuple<LayerMap, int64_t, int64_t, int64_t, bool, bool, int64_t, double>;
  struct Recording {
    int64_t num_runs = 0;
    DeviceBatch batch;
    std::unique_ptr<DeviceGraph> graph;
  };

  void compute(const LanguageModel& model, const DeviceBatch& batch, const LayerMap& blocks,
               const PassOptions& pass);
  Recording* recording_of(const LanguageModel& model, const DeviceBatch& batch,
                          const LayerMap& blocks, const PassOptions& pass);
  bool try_record(const LanguageModel& model, Recording& recording, const DeviceBatch& batch,
                  const LayerMap& blocks, const PassOptions& pass);
  void forget();

  at::Device device_;
  std::unique_ptr<DeviceGraphRecorder> recorder_;
  at::Tensor loss_;
  at::Tensor num_targets_;
  // The weights that recordings read: alive as long as these are, so that no other model's lie
  // there.
  at::Tensor recorded_weights_;
  std::map<Key, Recording> recordings_;
};

}  // namespace apollo
