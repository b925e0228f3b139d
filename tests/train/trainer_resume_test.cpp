// A run that was ended at any step and resumed gives the bits of one that never stopped.
#include <algorithm>
#include <csignal>

#include "base/file.h"
#include "base/stop_signal.h"
#include "tiny_run.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// Returns what the run logged of its numbers; times and rates differ from run to run.
std::vector<std::string> numbers(const TinyRun& run, const std::string& name) {
  std::vector<std::string> lines;
  for (const char* event : {"step", "eval", "grow"}) {
    for (Json row : run.rows(name, event)) {
      for (const char* key :
           {"wall_s", "energy_j", "tokens_per_s", "model_flops_utilisation", "eval_s"})
        row.erase(key);
      lines.push_back(row.dump());
    }
  }
  return lines;
}

// A run with a checkpoint at every step, with which all others are compared.
struct Trained {
  const char* architecture;
  const char* optimizer;
};

class TrainerResume : public testing::TestWithParam<Trained> {
 protected:
  TrainerResume() { run_.train("whole", kEveryStep); }

  // Starts or resumes the run while the signal waits; returns the signal that ended it, or 0.
  int stop_at_once(const std::string& name, int signal) const {
    Trainer trainer(run_.open(name, kEveryStep));
    install_stop_handlers();
    ::raise(signal);
    int stopped_by = 0;
    try {
      trainer.run();
    } catch (const Interrupted& stop) {
      stopped_by = stop.signal();
    }
    install_stop_handlers();
    return stopped_by;
  }

  void expect_same(const std::string& name) const {
    expect_equal_states(run_.latest(name).state, run_.latest("whole").state);
    EXPECT_EQ(numbers(run_, name), numbers(run_, "whole"));
  }

  std::vector<std::string> with(const std::string& override) const {
    std::vector<std::string> overrides = kEveryStep;
    overrides.push_back(override);
    return overrides;
  }

  // The architecture and optimizer under test, and a checkpoint at every step.
  const std::vector<std::string> kEveryStep = {
      std::string("model.architecture=") + GetParam().architecture,
      std::string("train.optimizer=") + GetParam().optimizer, "data.tokenizer=train:wordpiece:60",
      "checkpoint.every=1 steps", "checkpoint.keep=99"};
  TinyRun run_;
};

TEST_P(TrainerResume, FromEveryStep) {
  for (int64_t step = 1; step < 12; ++step) {
    SCOPED_TRACE(step);
    const std::string name = "killed" + std::to_string(step);
    run_.copy_killed_at(step, name);
    run_.train(name, kEveryStep);
    expect_same(name);
    EXPECT_EQ(run_.rows(name, "resume").size(), 1u);
  }
}

TEST_P(TrainerResume, CheckpointsChangeNothing) {
  run_.train("rare", with("checkpoint.every=0 steps"));
  expect_same("rare");
}

TEST_P(TrainerResume, AKillBeforeTheFirstCheckpointStartsAnew) {
  run_.copy_killed_at(1, "killed");
  fs::remove_all(run_ / "killed/checkpoints");
  run_.train("killed", kEveryStep);
  expect_same("killed");
  EXPECT_EQ(run_.rows("killed", "start").size(), 1u);
}

TEST_P(TrainerResume, AKillBeforeTheLastRowStillEndsTheRun) {
  run_.copy_killed_at(12, "killed");
  const auto metrics = run_ / "killed/metrics.jsonl";
  fs::resize_file(metrics, static_cast<uintmax_t>(run_.latest("killed").info.metrics_bytes));
  ASSERT_TRUE(run_.rows("killed", "end").empty());
  run_.train("killed", kEveryStep);
  expect_same("killed");
  EXPECT_EQ(run_.rows("killed", "end").at(0).at("reason"), "finished");
  const std::string after = read_file(metrics);
  run_.train("killed", kEveryStep);
  EXPECT_EQ(read_file(metrics), after);
}

TEST_P(TrainerResume, ATornLastRowIsCutOff) {
  run_.copy_killed_at(7, "killed");
  std::ofstream(run_ / "killed/metrics.jsonl", std::ios::app) << "{\"event\":\"st";
  run_.train("killed", kEveryStep);
  expect_same("killed");
}

// The signal is there when the loop checks for the first time: at once if nothing is due, inside
// the evaluation if one is due.
TEST_P(TrainerResume, ASignalSavesAndTheSameCallGoesOn) {
  for (int64_t step = 1; step < 12; ++step) {
    SCOPED_TRACE(step);
    const int signal = step % 2 == 0 ? SIGINT : SIGTERM;
    const std::string name = fmt::format("stopped{}", step);
    run_.copy_killed_at(step, name);
    EXPECT_EQ(stop_at_once(name, signal), signal);
    EXPECT_EQ(run_.rows(name, "end").back().at("reason"), "signal");
    EXPECT_EQ(run_.latest(name).state.position.step, step);
    run_.train(name, kEveryStep);
    expect_same(name);
  }
}

TEST_P(TrainerResume, ALongerIntervalOfEvaluationCountsFromTheBeginning) {
  run_.train("seldom", with("eval.every=1 steps"));
  replace_link(run_ / "seldom" / "checkpoints/latest", "step-00000006");
  run_.train("seldom", with("eval.every=3 steps"));
  std::vector<int64_t> steps;
  for (const Json& row : run_.rows("seldom", "eval")) {
    if (row.at("which") == "full") steps.push_back(row.at("step"));
  }
  EXPECT_EQ(steps, (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 9, 12}));
}

TEST_P(TrainerResume, ASignalInTheFirstEvaluationSavesStepZero) {
  EXPECT_EQ(stop_at_once("stopped", SIGINT), SIGINT);
  EXPECT_TRUE(run_.rows("stopped", "eval").empty());
  EXPECT_EQ(run_.latest("stopped").state.position.step, 0);
  run_.train("stopped", kEveryStep);
  expect_same("stopped");
}

INSTANTIATE_TEST_SUITE_P(Architectures, TrainerResume,
                         testing::Values(Trained{"gpt2", "adamw"}, Trained{"bert", "adamw"},
                                         Trained{"gpt2", "muon"}, Trained{"bert", "muon"},
                                         Trained{"modernbert", "adamw"}),
                         [](const auto& test) {
                           return fmt::format("{}_{}", test.param.architecture,
                                              test.param.optimizer);
                         });

// The first stage has one layer, which rehearses at all places. So the norm before its attention,
// for which Hugging Face's format has no place, trains and has moments.
TEST(TrainerResumeModernBert, TheNormOfTheFirstLayerAndItsMomentsGoOn) {
  const std::vector<std::string> overrides = {
      "model.architecture=modernbert",
      "data.tokenizer=train:wordpiece:60",
      "model.local_attention=6",
      "train.duration=8 steps",
      "progressive.depth_sampler=uniform",
      "progressive.stages=[{layers=1,until=\"6 steps\"},{layers=12}]",
      "checkpoint.every=1 steps",
      "checkpoint.keep=99"};
  const TinyRun run;
  run.train("whole", overrides);
  for (const int64_t step : {1, 3, 5}) {
    SCOPED_TRACE(step);
    const std::string name = "killed" + std::to_string(step);
    run.copy_killed_at(step, name);
    const LoadedCheckpoint loaded = run.latest(name);
    const ParameterSet& parameters = loaded.state.model->parameters();
    const ParameterSlot& norm = *parameters.layout().find_part("attn_norm.weight", 0);
    EXPECT_GT(slot_view(parameters.values(), norm).std().item<double>(), 0.0);
    for (const OptimizerState::Buffer& buffer : loaded.state.optimizer.buffers) {
      const ParameterSlot& moment = *buffer.layout->find_part("attn_norm.weight", 0);
      EXPECT_GT(slot_view(buffer.values, moment).abs().max().item<double>(), 0.0) << buffer.name;
    }
    run.train(name, overrides);
    expect_equal_states(run.latest(name).state, run.latest("whole").state);
    EXPECT_EQ(numbers(run, name), numbers(run, "whole"));
  }
}

// Frozen layers, subnetworks, fresh layers and the rise after growth. The first and the third also
// run with Muon, whose momentum there has no layer at the start.
TEST(TrainerResumeMethods, FromStepsInEveryStage) {
  const std::vector<std::vector<std::string>> kinds = {
      {"progressive.layer_map=stack", "progressive.trains=new",
       "progressive.depth_sampler=shallowest",
       "progressive.stages=[{layers=2,until=\"2 steps\"},{layers=4,until=\"4 steps\"},"
       "{layers=4,until=\"6 steps\"},{layers=4}]",
       "model.layers=4", "progressive.optimizer_state=keep"},
      {"progressive.depth_sampler=shallowest", "model.layers=4",
       "progressive.stages=[{layers=4,depth=2,until=\"4 steps\"},{layers=4}]"},
      {"progressive.new_layers=random", "model.layers=4",
       "progressive.stages=[{layers=0,until=\"2 steps\"},{layers=2,until=\"5 steps\"},{layers=4}]"},
      {"train.optimizer=muon", "model.layers=4", "progressive.trains=new",
       "progressive.layer_map=stack", "progressive.depth_sampler=shallowest",
       "progressive.new_layers=random",
       "progressive.stages=[{layers=0,until=\"2 steps\"},{layers=2,until=\"5 steps\"},"
       "{layers=3,until=\"7 steps\"},{layers=4}]"},
      {"progressive.stratify=3", "progressive.rewarm=3 steps", "progressive.lr_depth_power=0.5"}};
  for (std::vector<std::string> overrides : kinds) {
    SCOPED_TRACE(overrides.front());
    const TinyRun run;
    overrides.insert(overrides.end(),
                     {"train.duration=12 steps", "checkpoint.every=1 steps", "checkpoint.keep=99"});
    run.train("whole", overrides);
    for (const int64_t step : {1, 3, 5, 8}) {
      SCOPED_TRACE(step);
      const std::string name = "killed" + std::to_string(step);
      run.copy_killed_at(step, name);
      run.train(name, overrides);
      expect_equal_states(run.latest(name).state, run.latest("whole").state);
      EXPECT_EQ(run.latest(name).state.stage.grown.step,
                run.latest("whole").state.stage.grown.step);
      EXPECT_EQ(numbers(run, name), numbers(run, "whole"));
    }
  }
}

}  // namespace
}  // namespace apollo
