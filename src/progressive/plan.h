// What a run will do and cost, before it starts: `apollo plan`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "arch/counts.h"
#include "base/json_lines.h"
#include "config/run_config.h"
#include "progressive/advice.h"
#include "progressive/schedule.h"
#include "progressive/source_model.h"

namespace apollo {

struct StagePlan {
  int64_t layers = 0;           // unique ones
  double expected_depth = 0.0;  // the mean of the sampler's distribution
  int64_t parameters = 0;
  double state_bytes = 0.0;       // parameters, gradients and moments
  double activation_bytes = 0.0;  // an estimate, for a pass at the greatest depth of the stage
  double step_flops = 0.0;        // at the expected depth

  // These are known unless something is measured in hours.
  int64_t first_step = 0;
  int64_t steps = 0;
  double actual_depth = 0.0;  // mean of the depths that will be drawn
  double flops = 0.0;
  double share_of_scratch = 0.0;        // of the FLOPs of as many steps of the final model
  double layer_share_of_scratch = 0.0;  // the same without the head
};

struct RunPlan {
  RunConfig config;
  ModelShape shape;
  bool known_ahead = true;  // false: a run or a stage is measured in hours
  int64_t train_sequences = 0;
  std::vector<StagePlan> stages;
  int64_t steps = 0;
  double tokens = 0.0;
  int64_t parameters = 0;           // of the final model, tied ones once
  int64_t block_parameters = 0;     // only those in blocks, without embeddings and head
  double update_flops = 0.0;        // of the products in an update of the final model
  double scratch_step_flops = 0.0;  // of a step of the final model, including update_flops
  double flops = 0.0;               // only of training, without the cost before the first step
  std::optional<SourceModel> source;
  TrainingCost before;  // what counts as spent before the first step
  double share_of_scratch = 0.0;
  double layer_share_of_scratch = 0.0;
  std::optional<Advice> advice;   // for these FLOPs and those before the first step together
  double flops_per_second = 0.0;  // 0: not given
  std::string rate_source;        // where that is from, for people; empty: the user's
  std::optional<double> seconds;  // at that rate

  double tokens_per_parameter() const { return tokens / static_cast<double>(parameters); }
  double tokens_per_block_parameter() const {
    return tokens / static_cast<double>(block_parameters);
  }
};

// Plans a run. The config must be complete (resolve.h); `source` is the model from which it starts,
// if any. Throws ConfigError as Schedule does.
RunPlan plan_run(const RunConfig& config, const ModelShape& shape, int64_t train_sequences,
                 double flops_per_second = 0.0, const std::optional<SourceModel>& source = {});

std::string plan_table(const RunPlan& plan);
Json plan_json(const RunPlan& plan);

}  // namespace apollo
