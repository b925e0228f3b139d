// One run of a grid: training from start to end with one learning rate, number of epochs and seed,
// with an evaluation after every epoch.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "finetune/encoded_rows.h"
#include "finetune/predict.h"
#include "finetune/sequence_classifier.h"
#include "finetune/task_config.h"

namespace apollo {

struct GridPoint {
  double lr = 0.0;
  int64_t epochs = 0;
  uint64_t seed = 0;

  bool operator==(const GridPoint&) const = default;
};

struct EpochResult {
  int64_t epoch = 0;  // counted from 1
  // Mean over the rows: cross-entropy in nats, or squared difference of standardised numbers.
  double train_loss = 0.0;
  double dev_loss = 0.0;
  Scores scores;  // on dev
};

struct PointResult {
  GridPoint point;
  std::vector<EpochResult> epochs;
  int64_t best_epoch = 0;  // the first of the best epochs
  double best_score = 0.0;
  bool diverged = false;  // loss or gradient not finite; `epochs` ends before that
  double seconds = 0.0;
};

// What a run works on.
struct PointTask {
  const TaskConfig& config;
  const EncodedRows& train;
  const EncodedRows& dev;
  TokenId padding = 0;
  int64_t positive_class = 0;
  TargetScale scale;  // of the numbers to learn
};

// Returns the optimizer steps of a run.
int64_t num_steps(const PointTask& task, int64_t epochs);

// Trains `classifier` from its current weights. The result depends only on the point, the task and
// these weights. `best` receives the weights of the best epoch; `on_step` is called after every
// step. Throws Interrupted if a signal asks to stop.
PointResult train_point(SequenceClassifier& classifier, const PointTask& task,
                        const GridPoint& point, ClassifierWeights& best,
                        const std::function<void(const std::string& note)>& on_step);

}  // namespace apollo
