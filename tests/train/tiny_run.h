// Runs that take milliseconds: made-up text, a model of width 16 over bytes, one thread.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json_lines.h"
#include "base/log.h"
#include "base/rng.h"
#include "progressive/resolve.h"
#include "support/temp_dir.h"
#include "support/test_device.h"
#include "test_recorder.h"
#include "train/trainer.h"

namespace apollo {

// Words of a few letters; the same text for the same seed.
inline std::string made_up_text(int64_t bytes, uint64_t seed = 1) {
  std::string text;
  for (uint64_t i = 0; static_cast<int64_t>(text.size()) < bytes; ++i) {
    const uint64_t bits = random_bits(seed, RngStream::kInit, i);
    for (uint64_t k = 0; k < 2 + bits % 4; ++k) {
      text += "etaoinsh"[bits >> (8 + 3 * k) & 7];
    }
    text += bits % 11 == 0 ? '\n' : ' ';
  }
  text.resize(static_cast<size_t>(bytes));
  return text;
}

// A folder with train.txt, valid.txt and run.toml.
class TinyRun {
 public:
  TinyRun() {
    set_log_level(LogLevel::kQuiet);
    at::set_num_threads(1);
    write("train.txt", made_up_text(3000));
    write("valid.txt", made_up_text(700, 2));
    write("run.toml", "[run]\ndevice = \"" + test_device_name() + R"("
threads = 1
[data]
train = ["train.txt"]
valid = ["valid.txt"]
cache = "cache"
[model]
layers = 12
width = 16
heads = 2
context = 16
dropout = 0.1
[train]
duration = "12 steps"
batch_size = 4
micro_batch_size = 2
lr = 1e-2
[progressive]
stages = [{layers = 1, until = "3 steps"}, {layers = 3, until = "6 steps"},
          {layers = 6, until = "9 steps"}, {layers = 12}]
[eval]
every = "4 steps"
max_tokens = 160
max_cost = 0
[checkpoint]
every = "5 steps"
)");
  }

  std::filesystem::path operator/(const std::string& name) const { return dir_ / name; }

  void write(const std::string& name, const std::string& text) const {
    std::ofstream(dir_ / name, std::ios::binary) << text;
  }

  ResolvedConfig config(const std::vector<std::string>& overrides = {}) const {
    return resolve_run_config(dir_ / "run.toml", overrides);
  }

  // Opens the run of the folder `name`, new or resumed.
  Run open(const std::string& name, const std::vector<std::string>& overrides = {}) const {
    return open_run(config(overrides), dir_ / name);
  }

  // Trains to the end in the folder `name`.
  void train(const std::string& name, const std::vector<std::string>& overrides = {}) const {
    Trainer(open(name, overrides)).run();
  }

  // Makes a run folder as a kill of the run "whole" right after the checkpoint of `step`, or
  // somewhat later, leaves it: the log already has rows beyond the checkpoint.
  void copy_killed_at(int64_t step, const std::string& name) const {
    using std::filesystem::copy_options;
    std::filesystem::copy(dir_ / "whole", dir_ / name,
                          copy_options::recursive | copy_options::copy_symlinks);
    replace_link(dir_ / name / "checkpoints/latest", fmt::format("step-{:08}", step));
  }

  LoadedCheckpoint latest(const std::string& name) const {
    return load_latest_checkpoint(dir_ / name / "checkpoints", at::kCPU).value();
  }

  std::vector<Json> rows(const std::string& name, const std::string& event) const {
    std::vector<Json> found;
    read_json_lines(dir_ / name / "metrics.jsonl", [&](Json&& row) {
      if (row.at("event") == event) found.push_back(std::move(row));
    });
    return found;
  }

 private:
  TempDir dir_;
};

inline bool equal_values(const at::Tensor& a, const at::Tensor& b) {
  return at::equal(a.cpu(), b.cpu());
}

// Checks everything from which the numbers of a run come, to the bit.
inline void expect_equal_states(const TrainState& a, const TrainState& b) {
  ASSERT_EQ(a.model->num_layers(), b.model->num_layers());
  EXPECT_TRUE(equal_values(a.model->parameters().values(), b.model->parameters().values()));
  ASSERT_EQ(a.optimizer.buffers.size(), b.optimizer.buffers.size());
  for (size_t i = 0; i < a.optimizer.buffers.size(); ++i) {
    EXPECT_EQ(a.optimizer.buffers[i].name, b.optimizer.buffers[i].name);
    EXPECT_TRUE(equal_values(a.optimizer.buffers[i].values, b.optimizer.buffers[i].values));
  }
  EXPECT_EQ(a.optimizer.num_steps, b.optimizer.num_steps);
  EXPECT_EQ(a.position.step, b.position.step);
  EXPECT_EQ(a.position.flops, b.position.flops);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.stage.index, b.stage.index);
  EXPECT_EQ(a.stage.start.step, b.stage.start.step);
  EXPECT_EQ(a.stage.grown_from, b.stage.grown_from);
  EXPECT_EQ(a.eval_flops, b.eval_flops);
  EXPECT_EQ(a.evaluations_due, b.evaluations_due);
  EXPECT_EQ(a.last_evaluated_step, b.last_evaluated_step);
}

// Runs one step at a time, without a run folder: what train_step() needs.
class StepRoom {
 public:
  StepRoom(const TinyRun& run, const std::vector<std::string>& overrides)
      : StepRoom(run.config(overrides), make_test_recorder()) {}
  StepRoom(ResolvedConfig config, std::unique_ptr<DeviceGraphRecorder> recorder)
      : run_(prepare_run(config, config.config.run.cuda_graphs ? std::move(recorder) : nullptr)) {}

  TrainState fresh_state() const { return fresh_state_of(schedule().stages().front().layers); }
  // Returns the state of a model with this many layers.
  TrainState fresh_state_of(int64_t layers) const {
    TrainState state;
    state.model = make_model(run_.model, layers, test_device());
    state.model->parameters().initialize(7);
    state.optimizer = run_.optimizer->fresh_state(state.model->parameters());
    return state;
  }

  const Run& run() const { return run_; }
  const RunConfig& config() const { return run_.config(); }
  const ModelShape& shape() const { return run_.model.shape; }
  const Batches& data() const { return *run_.train; }
  const Schedule& schedule() const { return *run_.schedule; }
  TrainingPasses& passes() const { return *run_.passes; }
  // Makes steps use these batches instead of its own.
  void use_data(const Batches& batches) {
    run_.batches = std::make_unique<BatchPrefetcher>(batches, config().train.batch_size);
  }

 private:
  Run run_;
};

}  // namespace apollo
