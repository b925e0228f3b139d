// What one training run wrote: metrics.jsonl as typed columns and run.toml as flat keys.
//
// Rows after a `resume` replace those that the stopped process had written after its checkpoint, so
// each step is here once, whatever happened to the run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runlog/rows.h"

namespace apollo {

// What training had cost at some moment, without evaluation and growth probes.
struct Cost {
  double flops = 0.0;
  double wall_s = 0.0;
  double tokens = 0.0;
  std::optional<double> energy_j;  // nullopt: no meter could be read
};

// One entry per step; all columns have the same length. NaN if the row has null.
struct StepColumns {
  std::vector<double> step;  // steps done
  std::vector<double> tokens;
  std::vector<double> flops;
  std::vector<double> wall_s;
  std::vector<double> energy_j;
  std::vector<double> loss;
  std::vector<double> lr;
  std::vector<double> grad_norm;
  std::vector<double> stage;   // counted from 0
  std::vector<double> layers;  // unique layers of the stage
  std::vector<double> depth;   // mean over the step's passes
  std::vector<double> tokens_per_s;
  std::vector<double> model_flops_utilisation;  // share of the measured peak

  size_t size() const { return step.size(); }
};

// A loss on the validation data at one depth.
struct Evaluation {
  int64_t step = 0;
  Cost cost;
  double depth = 0.0;
  double loss = 0.0;          // nats per predicted token; NaN if not finite
  std::optional<double> ppl;  // only of next-token prediction, like bpb
  std::optional<double> bpb;
  std::optional<double> accuracy;  // only of masked prediction
  double eval_flops = 0.0;         // evaluation FLOPs so far
  bool full_depth = false;         // whether all layers of the final model ran
};

struct Growth {
  int64_t step = 0;
  int64_t from = 0;
  int64_t to = 0;
  Cost cost;
  std::optional<double> loss_before;  // at full depth, from a probe
  std::optional<double> loss_after;
};

// The final model's loss on the test data.
struct TestResult {
  int64_t step = 0;
  double loss = 0.0;
  std::string data;  // hash of its content
};

// What the model wrote on from a prompt.
struct TextWritten {
  int64_t step = 0;
  std::string prompt;
  std::string text;
};

struct RunEnd {
  int64_t step = 0;
  std::string reason;  // finished | early_stopping | signal | diverged | stopped
};

// A dotted key of run.toml and its value as text.
using ConfigEntry = std::pair<std::string, std::string>;

struct RunHistory {
  std::filesystem::path folder;
  StartRow info;  // how the run described itself
  StepColumns steps;
  std::vector<Evaluation> evaluations;  // in the order of the run
  std::vector<Growth> growths;
  std::vector<TextWritten> samples;  // the same
  std::optional<TestResult> test;    // nullopt: not over, or no data.test
  int64_t num_resumes = 0;
  std::optional<RunEnd> end;        // nullopt: still running, or killed
  Cost total;                       // at the last row that states it
  double eval_flops = 0.0;          // of evaluation and growth probes, which `total` excludes
  std::vector<ConfigEntry> config;  // empty if the folder has no run.toml
};

// Reads `folder`. A run that is still going is read as far as it has come. Throws DataError if the
// folder or its metrics are missing, and with file:line if a row is damaged.
RunHistory read_run(const std::filesystem::path& folder);

// The same for several runs, in parallel; the result has the order of `folders`.
std::vector<RunHistory> read_runs(const std::vector<std::filesystem::path>& folders);

// Returns the evaluations at the final model's depth with a finite loss, in the order of the run.
std::vector<Evaluation> full_depth_evaluations(const RunHistory& run);

}  // namespace apollo
