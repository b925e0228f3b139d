// A run of 12 layers with the stages of apollo, 1000 steps long, and its schedule.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "config/objective.h"
#include "progressive/methods.h"
#include "progressive/schedule.h"

namespace apollo {

inline constexpr int64_t kSequences = 1000;

inline RunConfig small_config() {
  RunConfig config;
  config.model.layers = 12;
  config.model.width = 16;
  config.model.heads = 2;
  config.model.context = 32;
  config.train.duration = {1000, DurationUnit::kSteps};
  config.train.batch_size = 8;
  config.train.micro_batch_size = 8;
  config.progressive = find_method("apollo").fill(Architecture::kGpt2, 12);
  // The ends are shares of whatever length a test gives the run.
  for (StageSpec& stage : config.progressive.stages) {
    if (stage.until) stage.until->unit = DurationUnit::kPercent;
  }
  return config;
}

inline Schedule schedule_of(const RunConfig& config) {
  return Schedule(config, model_shape(config, 100), kSequences);
}

inline std::vector<int64_t> lengths_of(const Schedule& schedule) {
  std::vector<int64_t> lengths;
  for (const Schedule::StageSummary& summary : schedule.summaries()) {
    lengths.push_back(summary.num_steps);
  }
  return lengths;
}

inline std::vector<std::string> faults_of(const RunConfig& config) {
  std::vector<std::string> texts;
  try {
    schedule_of(config);
  } catch (const ConfigError& error) {
    for (const Diagnostic& fault : error.diagnostics()) {
      texts.push_back(fault.where + ": " + fault.message);
    }
  }
  return texts;
}

}  // namespace apollo
