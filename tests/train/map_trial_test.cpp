#include "train/map_trial.h"

#include <ATen/core/grad_mode.h>

#include <csignal>
#include <limits>

#include "base/stop_signal.h"
#include "support/thrown_text.h"
#include "tiny_run.h"

namespace apollo {
namespace {

// Two layers that become four after 4 of 12 steps, without sharing: layer_map then says nothing but
// how the model grows, and how an evaluation is made deeper.
const std::vector<std::string> kTwoToFour = {
    "model.layers=4", "progressive.stages=[{layers=2,until=\"4 steps\"},{layers=4}]",
    "progressive.depth_sampler=shallowest", "train.lr=0.03"};

std::vector<std::string> with(std::vector<std::string> overrides,
                              const std::vector<std::string>& more) {
  overrides.insert(overrides.end(), more.begin(), more.end());
  return overrides;
}

std::vector<double> column(const TinyRun& run, const std::string& name, const char* key) {
  std::vector<double> found;
  for (const Json& row : run.rows(name, "step"))
    found.push_back(row.at(key));
  return found;
}

std::string chosen_map(const std::vector<Json>& rows) {
  std::string chosen;
  for (const Json& row : rows) {
    if (row.at("chosen")) chosen += row.at("layer_map");
  }
  return chosen;
}

TEST(MapTrial, TheRunGoesOnAsOneThatGrewByTheChosenMap) {
  for (const char* architecture : {"gpt2", "bert"}) {
    SCOPED_TRACE(architecture);
    const TinyRun run;
    const auto overrides = with(kTwoToFour, {std::string("model.architecture=") + architecture,
                                             "data.tokenizer=train:wordpiece:60"});
    run.train("trial", with(overrides, {"progressive.trial_steps=3"}));
    const std::vector<Json> trial = run.rows("trial", "trial");
    ASSERT_EQ(trial.size(), 2u);
    double least = 1e9;
    for (const Json& row : trial) {
      const std::string map = row.at("layer_map");
      run.train(map, with(overrides, {"progressive.layer_map=" + map}));
      const std::vector<double> losses = column(run, map, "loss");
      EXPECT_EQ(row.at("step"), 4);
      EXPECT_EQ(row.at("from"), 2);
      EXPECT_EQ(row.at("to"), 4);
      EXPECT_EQ(row.at("loss").get<double>(), (losses[5] + losses[6]) / 2);
      least = std::min(least, row.at("loss").get<double>());
    }
    EXPECT_NE(trial[0].at("loss"), trial[1].at("loss"));
    const std::string chosen = chosen_map(trial);
    for (const Json& row : trial)
      EXPECT_EQ(row.at("chosen").get<bool>(), row.at("loss").get<double>() == least);
    EXPECT_EQ(column(run, "trial", "loss"), column(run, chosen, "loss"));
    EXPECT_EQ(column(run, "trial", "lr"), column(run, chosen, "lr"));
    const TrainState state = run.latest("trial").state;
    const TrainState expected = run.latest(chosen).state;
    EXPECT_TRUE(
        at::equal(state.model->parameters().values(), expected.model->parameters().values()));
    EXPECT_TRUE(at::equal(state.optimizer.exp_avg_sq, expected.optimizer.exp_avg_sq));
    EXPECT_EQ(state.optimizer.num_steps, expected.optimizer.num_steps);
    EXPECT_EQ(state.tokens, expected.tokens);
    EXPECT_EQ(run.rows("trial", "grow")[0].at("map"), run.rows(chosen, "grow")[0].at("map"));
    EXPECT_EQ(run.rows("trial", "grow")[0].at("own_loss_after"),
              run.rows(chosen, "grow")[0].at("own_loss_after"));
  }
}

TEST(MapTrial, AllCopiesAreCharged) {
  const TinyRun run;
  // LVPS, so that depths differ from step to step.
  run.train("out", {"progressive.trial_steps=2",
                    "progressive.trial_maps=[\"interpolate\", \"stack\", \"middle\"]",
                    "progressive.stages=[{layers=3,until=\"6 steps\"},{layers=6,until=\"9 "
                    "steps\"},{layers=12}]"});
  const ModelShape shape{Architecture::kGpt2, 12, 16, 2, 16, 257};
  const std::vector<Json> steps = run.rows("out", "step");
  ASSERT_EQ(steps.size(), 12u);
  double flops = 0.0;
  std::map<int64_t, double> of_a_copy;
  for (size_t i = 0; i < steps.size(); ++i) {
    EXPECT_EQ(steps[i].at("step"), i + 1);
    const double step = train_flops(shape, steps[i].at("depth"), 4, 16);
    const bool on_trial = i == 6 || i == 7 || i == 9 || i == 10;
    // middle is the same as stack where the layers double.
    flops += (on_trial ? 2 : 1) * step;
    if (on_trial) of_a_copy[i < 8 ? 6 : 9] += step;
    EXPECT_EQ(steps[i].at("flops").get<double>(), flops);
    EXPECT_GT(steps[i].at("wall_s"), i > 0 ? steps[i - 1].at("wall_s").get<double>() : 0.0);
  }
  EXPECT_EQ(run.rows("out", "start")[0].at("total_flops").get<double>(), flops)
      << "as the simulated run";
  for (const Json& row : run.rows("out", "trial"))
    EXPECT_EQ(row.at("trial_flops").get<double>(), of_a_copy.at(row.at("step")));
  EXPECT_EQ(run.rows("out", "trial").size(), 4u);
}

TEST(MapTrial, ChoosesTheMapThatKeepsWhatTheLayersLearnt) {
  const TinyRun run;
  // At full depth all the time: growth by the map that the passes share by changes nothing, and by
  // the other one puts the layers into an order they have not trained in.
  for (const char* map : {"interpolate", "stack"}) {
    run.train(map, {"progressive.depth_sampler=deepest", "progressive.trial_steps=2",
                    "train.duration=36 steps", "train.lr=0.03", "model.dropout=0",
                    "progressive.stages=[{layers=3,until=\"30 steps\"},{layers=12}]",
                    std::string("progressive.layer_map=") + map});
    EXPECT_EQ(chosen_map(run.rows(map, "trial")), map);
    const Json grown = run.rows(map, "grow").at(0);
    EXPECT_EQ(grown.at("loss_before").get<double>(), grown.at("loss_after").get<double>());
  }
}

TEST(MapTrial, EndsWithTheRun) {
  const TinyRun run;
  // Not known ahead, so that it cannot be refused.
  run.train("out", with(kTwoToFour, {"progressive.trial_steps=5", "progressive.grow_when=ready",
                                     "progressive.probe_every=100 steps",
                                     "progressive.stages=[{layers=2,until=\"9 "
                                     "steps\"},{layers=4}]"}));
  EXPECT_EQ(run.rows("out", "step").size(), 12u);
  EXPECT_EQ(run.rows("out", "trial").size(), 2u);
  EXPECT_EQ(run.rows("out", "end").at(0).at("reason"), "finished");
  const Json last = run.rows("out", "eval").back();
  EXPECT_EQ(last.at("step"), 12);
  EXPECT_EQ(last.at("which"), "full");
  EXPECT_EQ(run.latest("out").state.position.step, 12);
}

TEST(MapTrial, ABudgetOfFlopsIsKept) {
  const TinyRun run;
  const auto overrides =
      with(kTwoToFour, {"progressive.trial_steps=2", "train.duration=4e8 flops",
                        "progressive.stages=[{layers=2,until=\"30%\"},{layers=4}]"});
  run.train("out", overrides);
  const StepRoom room(run, overrides);
  const std::vector<Json> steps = run.rows("out", "step");
  EXPECT_EQ(steps.size(), static_cast<size_t>(room.schedule().total_steps()));
  EXPECT_EQ(steps.back().at("flops").get<double>(), room.schedule().total_flops());
  EXPECT_EQ(run.rows("out", "trial").size(), 2u);
}

// By itself, on a state of two layers that is about to grow.
class TryMaps : public testing::Test {
 protected:
  explicit TryMaps(const std::vector<std::string>& overrides = {})
      : room_(run_,
              with(with(kTwoToFour, {"progressive.trial_steps=3", "model.dropout=0"}), overrides)) {
    while (state_.position.step < 4)
      train_step(state_, room_.context());
    room_.schedule().advance(state_.position, next_);
  }

  MapTrial try_all() const {
    return try_maps(state_, next_, room_.schedule().maps_on_trial(state_.position, next_),
                    room_.context());
  }

  TinyRun run_;
  StepRoom room_;
  TrainState state_ = room_.fresh_state();
  StageState next_;
};

TEST_F(TryMaps, LeavesTheRunAsItIs) {
  const at::Tensor values = state_.model->parameters().values().clone();
  const at::Tensor exp_avg = state_.optimizer.exp_avg.clone();
  const RunPosition position = state_.position;
  const MapTrial trial = try_all();
  EXPECT_EQ(trial.model->num_layers(), 4);
  EXPECT_EQ(trial.steps.size(), 3u);
  EXPECT_EQ(trial.steps.back().position.step, 7);
  EXPECT_EQ(trial.steps.back().tokens, 7 * 64);
  EXPECT_TRUE(at::equal(state_.model->parameters().values(), values));
  EXPECT_TRUE(at::equal(state_.optimizer.exp_avg, exp_avg));
  EXPECT_EQ(state_.position, position);
  EXPECT_EQ(state_.stage.index, 0);
  const MapTrial again = try_all();
  EXPECT_TRUE(at::equal(again.model->parameters().values(), trial.model->parameters().values()));
}

TEST_F(TryMaps, ASignalEndsIt) {
  install_stop_handlers();
  ::raise(SIGINT);
  EXPECT_THROW(try_all(), Interrupted);
  install_stop_handlers();
}

// Three layers, of which interpolation takes the second one once and stacking twice.
class TryMapsOfThree : public TryMaps {
 protected:
  TryMapsOfThree()
      : TryMaps(
            {"model.layers=3", "progressive.stages=[{layers=2,until=\"4 steps\"},{layers=3}]"}) {}

  // Of the second layer, what it adds to one channel.
  void set_bias(float value) {
    const at::NoGradGuard no_grad;
    const ParameterLayout& layout = state_.model->parameters().layout();
    slot_view(state_.model->parameters().values(),
              layout.slot("transformer.h.1.mlp.c_proj.bias"))[0] = value;
  }
};

TEST_F(TryMapsOfThree, ACopyThatDivergesIsOut) {
  APOLLO_SKIP_UNLESS_ON_CPU("the LayerNorm of a GPU overflows for the other copy too");
  set_bias(2e38F);  // finite, and twice as much is not
  const MapTrial trial = try_all();
  ASSERT_EQ(trial.copies.size(), 2u);
  EXPECT_EQ(trial.chosen, LayerMapKind::kInterpolate);
  EXPECT_TRUE(trial.copies[0].loss.has_value());
  EXPECT_FALSE(trial.copies[1].loss.has_value());
  EXPECT_EQ(trial.copies[1].flops, 0.0);
  double flops = state_.position.flops;
  for (const TrialStep& step : trial.steps)
    flops += 2 * step.result.flops;
  EXPECT_EQ(trial.steps.back().position.flops, flops) << "charged as if it had gone on";
}

TEST_F(TryMapsOfThree, FailsWhereAllCopiesDiverge) {
  set_bias(std::numeric_limits<float>::infinity());
  const std::string text = thrown_text<DivergedError>([&] { try_all(); });
  EXPECT_TRUE(text.starts_with("step 5: expected a finite loss and gradient, found loss ")) << text;
}

}  // namespace
}  // namespace apollo
