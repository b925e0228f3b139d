// The forward and backward passes of a step, and the order in which they are added. On a GPU,
// passes that repeat are recorded (ops/device_graph.h): one recording per sequence of blocks, so
// one per depth.
//
// Each pass starts from zero gradients. The gradients of a step's passes are added by a balanced
// tree: the sum of the first half plus the sum of the second half. A process that runs a half, a
// quarter, ... of the passes computes one of the tree's own sums, so the bits do not depend on the
// number of processes that share a step.
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
  // `common`: the options that all passes share. Without a recorder every pass is launched operator
  // by operator.
  TrainingPasses(at::Device device, const PassOptions& common,
                 std::unique_ptr<DeviceGraphRecorder> recorder);

  bool records() const { return recorder_ != nullptr; }
  // Returns the number of recorded passes that can be repeated now.
  int64_t num_recorded() const;

  // Begins a step with `num_targets` targets in all of its passes. Recordings of another model are
  // dropped.
  void begin_step(const LanguageModel& model, int64_t num_targets);
  // Runs the passes over their rows of the batch. Afterwards the model's gradients are those of the
  // passes' part of the step's mean loss. Returns these parts, float32 on the device, one per pass
  // and in order.
  at::Tensor run_tree(LanguageModel& model, const TokenBatch& batch,
                      std::span<const PassPlan> passes);

 private:
  // What a recording is bound to: blocks, rows, targets, length, whether there are documents, and
  // the options of the pass.
  using Key = std::tuple<LayerMap, int64_t, int64_t, int64_t, bool, bool, int64_t, double>;
  struct Recording {
    int64_t num_runs = 0;
    DeviceBatch batch;
    PassOptions options;  // the dropout key is set for each run
    std::unique_ptr<DeviceGraph> graph;
  };

  void add_up(LanguageModel& model, const TokenBatch& batch, std::span<const PassPlan> passes,
              const at::Tensor& losses, size_t level);
  // Returns a copy of the gradients that lasts until the next one at this level of the tree.
  at::Tensor sum_kept_at(size_t level, const at::Tensor& gradients);
  // Runs one pass, adds its gradients to the model's and puts its loss into loss_.
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
  std::vector<at::Tensor> sums_;  // one per level of the tree, as large as the gradients
  // The weights that recordings read. They live as long as the recordings, so that no other model's
  // weights take their place in memory.
  at::Tensor recorded_weights_;
  std::map<Key, Recording> recordings_;
};

}  // namespace apollo
