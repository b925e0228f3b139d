// Runs that take milliseconds: made-up text, a model of width 16 over bytes, one thread.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

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

  // Trains to the end in the folder `name`.
  void train(const std::string& name, const std::vector<std::string>& overrides = {}) const {
    Trainer(config(overrides), dir_ / name).run();
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

// Everything that the numbers of a run come from, to the bit.
inline void expect_equal_states(const TrainState& a, const TrainState& b) {
  ASSERT_EQ(a.model->num_layers(), b.model->num_layers());
  EXPECT_TRUE(equal_values(a.model->parameters().values(), b.model->parameters().values()));
  EXPECT_TRUE(equal_values(a.optimizer.exp_avg, b.optimizer.exp_avg));
  EXPECT_TRUE(equal_values(a.optimizer.exp_avg_sq, b.optimizer.exp_avg_sq));
  EXPECT_EQ(a.optimizer.num_steps, b.optimizer.num_steps);
  EXPECT_EQ(a.position.step, b.position.step);
  EXPECT_EQ(a.position.flops, b.position.flops);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_EQ(a.stage.index, b.stage.index);
  EXPECT_EQ(a.stage.start.step, b.stage.start.step);
  EXPECT_EQ(a.stage.grown_from, b.stage.grown_from);
  EXPECT_EQ(a.stage.probes_due, b.stage.probes_due);
  ASSERT_EQ(a.stage.last_probe.has_value(), b.stage.last_probe.has_value());
  if (a.stage.last_probe) {
    EXPECT_EQ(a.stage.last_probe->loss, b.stage.last_probe->loss);
    EXPECT_EQ(a.stage.last_probe->next_loss, b.stage.last_probe->next_loss);
    EXPECT_EQ(a.stage.last_probe->position.flops, b.stage.last_probe->position.flops);
  }
  EXPECT_EQ(a.eval_flops, b.eval_flops);
  EXPECT_EQ(a.evaluations_due, b.evaluations_due);
  EXPECT_EQ(a.last_evaluated_step, b.last_evaluated_step);
}

// One step at a time, without a run folder: what train_step needs.
class StepRoom {
 public:
  StepRoom(const TinyRun& run, const std::vector<std::string>& overrides)
      : resolved_(run.config(overrides)),
        data_(open_run_data(resolved_.config, resolved_.base_dir)),
        shape_(model_shape(resolved_.config, data_.vocab_size)),
        spec_(new_model_spec(resolved_.config, data_.vocab_size)),
        train_(make_batches(resolved_.config, *data_.train, data_.tokenizer.get())),
        prefetcher_(*train_, resolved_.config.train.batch_size),
        schedule_(resolved_.config, shape_, train_->num_sequences()),
        passes_(test_device(), resolved_.config.run.cuda_graphs ? make_test_recorder() : nullptr) {}

  TrainState fresh_state() const {
    TrainState state;
    state.model = make_model(spec_, schedule_.stages().front().layers, test_device());
    state.model->parameters().initialize(7);
    state.optimizer = make_adamw_state(state.model->parameters());
    return state;
  }

  StepContext context() const {
    const RunConfig::Train& train = resolved_.config.train;
    return {.config = resolved_.config,
            .schedule = schedule_,
            .data = prefetcher_,
            .lr = {train.lr_schedule, train.lr, train.lr_final,
                   schedule_.share(train.warmup, train.lr_axis), 0.0},
            .optimizer = {train.betas[0], train.betas[1], train.epsilon, train.weight_decay},
            .pass = make_pass_options(resolved_.config, /*training=*/true),
            .passes = passes_};
  }

  const RunConfig& config() const { return resolved_.config; }
  const ModelShape& shape() const { return shape_; }
  const Batches& data() const { return *train_; }
  const Schedule& schedule() const { return schedule_; }

 private:
  ResolvedConfig resolved_;
  RunData data_;
  ModelShape shape_;
  ModelSpec spec_;
  std::unique_ptr<Batches> train_;
  mutable BatchPrefetcher prefetcher_;
  Schedule schedule_;
  mutable TrainingPasses passes_;
};

}  // namespace apollo
