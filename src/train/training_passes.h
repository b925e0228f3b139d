// The forward and backward passes of a step, and the order in which they are added up. On a GPU,
// passes that come again are recorded (ops/device_graph.h): one recording for each sequence of
// blocks, that is for each depth.
//
// Each pass starts from gradients of zero; the gradients of a step's passes are added by a balanced
// tree, the sum of the first half to that of the second. A process that runs a half, a quarter, ...
// of the passes forms one of the tree's own sums, so the bits do not depend on the number of
// processes that share a step.
#pragma once

#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "model/model.h"
#include "ops/device_graph.h"
#include "progressive/step_plan.h"

namespace apollo {

class TrainingPasses {
 public:
  // `common`: what all passes share. Without a recorder every pass is launched operator by
  // operator.
  TrainingPasses(at::Device device, const PassOptions& common,
                 std::unique_ptr<DeviceGraphRecorder> recorder);

  bool records() const { return recorder_ != nullptr; }
  // Passes that were recorded and can be repeated now.
  int64_t num_recorded() const;

  // Begins a step of `num_targets` targets over all of its passes. What was recorded of another
  // model is dropped.
  void begin_step(const LanguageModel& model, int64_t num_targets);
  // Runs the passes over their rows of the batch: the model's gradients are then those of the
  // passes' part of the step's mean loss. Returns these parts, float32 on the device: a pass each,
  // in order.
  at::Tensor run_tree(LanguageModel& model, const TokenBatch& batch,
                      std::span<const PassPlan> passes);

 private:
  // What a recording is bound to: blocks, rows, targets, length, documents or none, and the options
  // of the pass.
  using Key = std::tuple<LayerMap, int64_t, int64_t, int64_t, bool, bool, int64_t, double>;
  struct Recording {
    int64_t num_runs = 0;
    DeviceBatch batch;
    PassOptions options;  // its dropout key is set for each run
    std::unique_ptr<DeviceGraph> graph;
  };

  void add_up(LanguageModel& model, const TokenBatch& batch, std::span<const PassPlan> passes,
              const at::Tensor& losses, size_t level);
  // A copy of the gradients that lasts until the next one at this level of the tree.
  at::Tensor sum_kept_at(size_t level, const at::Tensor& gradients);
  // One pass; its gradients are added to the model's, and its loss is then loss_.
  void run(const LanguageModel& model, const TokenBatch& batch, const PassPlan& pass);
  void compute(const LanguageModel& model, const DeviceBatch& batch, const LayerMap& blocks,
               const PassOptions& options);
  PassOptions options_of(const PassPlan& pass) const;
  Recording* recording_of(const LanguageModel& model, const DeviceBatch& batch,
                          const PassPlan& pass);
  bool try_record(const LanguageModel& model, Recording& recording, const DeviceBatch& batch,
                  const PassPlan& pass);
  void forget();

  at::Device device_;
  PassOptions common_;
  std::unique_ptr<DeviceGraphRecorder> recorder_;
  at::Tensor loss_;  // of the last pass
  at::Tensor num_targets_;
  std::vector<at::Tensor> sums_;  // one for each level of the tree, as large as the gradients
  // The weights that recordings read: alive as long as these are, so that no other model's lie
  // there.
  at::Tensor recorded_weights_;
  std::map<Key, Recording> recordings_;
};

}  // namespace apollo
