// Recorded passes against the same passes launched operator by operator. On the CPU, recordings are
// the work itself, run again (test_recorder.h). So what is recorded and when is tested everywhere,
// and APOLLO_TEST_DEVICE=cuda tests that a GPU repeats it to the bit.
#include "train/training_passes.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <span>

#include "tiny_run.h"
#include "train/train_step.h"

namespace apollo {
namespace {

std::vector<std::string> with(std::vector<std::string> overrides, const char* graphs) {
  overrides.push_back(std::string("run.cuda_graphs=") + graphs);
  return overrides;
}

// Steps of one stage, equal in everything that a run stores.
void expect_same_steps(const std::vector<std::string>& overrides, int64_t num_recorded) {
  const TinyRun run;
  const StepRoom recorded(run, with(overrides, "true"));
  const StepRoom launched(run, with(overrides, "false"));
  TrainState state = recorded.fresh_state();
  TrainState expected = launched.fresh_state();
  for (int64_t step = 0; step < 12; ++step) {
    const StepResult result = train_step(state, recorded.run());
    const StepResult expected_result = train_step(expected, launched.run());
    EXPECT_EQ(result.loss, expected_result.loss) << "step " << step;
    EXPECT_EQ(result.grad_norm, expected_result.grad_norm) << "step " << step;
  }
  expect_equal_states(state, expected);
  EXPECT_EQ(recorded.passes().num_recorded(), num_recorded);
  EXPECT_EQ(launched.passes().num_recorded(), 0);
}

TEST(TrainingPasses, TheCpuHasNothingToRecordWith) {
  EXPECT_EQ(make_device_graph_recorder(at::kCPU), nullptr);
  EXPECT_FALSE(TrainingPasses(at::kCPU, {}, nullptr).records());
}

TEST(TrainingPasses, RecordedAreTheLaunchedToTheBit) {
  for (const char* dropout : {"0", "0.1"}) {
    SCOPED_TRACE(std::string("dropout ") + dropout);
    // One depth: one recording, of both micro-batches.
    expect_same_steps({std::string("model.dropout=") + dropout, "progressive.method=scratch"}, 1);
  }
}

TEST(TrainingPasses, EachDepthIsARecording) {
  const TinyRun run;
  const StepRoom room(run, {"progressive.method=apollo", "train.duration=400 steps"});
  TrainState state = room.fresh_state();
  std::map<int64_t, int64_t> uses;  // by depth
  for (int64_t step = 0; step < 40; ++step) {
    for (const int64_t depth : train_step(state, room.run()).depths)
      ++uses[depth];
  }
  const auto repeated =
      std::count_if(uses.begin(), uses.end(), [](const auto& item) { return item.second > 2; });
  EXPECT_GT(repeated, 1) << "or depths are not tested";
  EXPECT_EQ(room.passes().num_recorded(), repeated);
}

TEST(TrainingPasses, WhatDiffersIsRecordedApart) {
  // The last micro-batch of a step has one row.
  expect_same_steps({"progressive.method=scratch", "train.micro_batch_size=3"}, 2);
  expect_same_steps({"progressive.method=scratch", "train.precision=bf16"}, 1);
  expect_same_steps({"progressive.method=scratch", "train.recompute=all", "model.dropout=0"}, 1);
  // Dropout that recomputation draws again cannot be recorded.
  expect_same_steps({"progressive.method=scratch", "train.recompute=all", "model.dropout=0.1"}, 0);
}

TEST(TrainingPasses, RecordingsAreDroppedWithTheirModel) {
  const TinyRun run;
  const StepRoom recorded(run, {"progressive.method=scratch"});
  const StepRoom launched(run, {"progressive.method=scratch", "run.cuda_graphs=false"});
  TrainState first = recorded.fresh_state();
  for (int64_t step = 0; step < 4; ++step)
    train_step(first, recorded.run());
  TrainState state = recorded.fresh_state();
  TrainState expected = launched.fresh_state();
  for (int64_t step = 0; step < 4; ++step) {
    train_step(state, recorded.run());
    train_step(expected, launched.run());
  }
  expect_equal_states(state, expected);
}

class FailingRecorder final : public DeviceGraphRecorder {
 public:
  std::unique_ptr<DeviceGraph> record(const std::function<void()>&) override {
    TORCH_CHECK_WITH(OutOfMemoryError, false, "no memory is left");
  }
};

TEST(TrainingPasses, WhatCannotBeRecordedIsLaunched) {
  const TinyRun run;
  const StepRoom room(run, {"progressive.method=scratch"});
  const StepRoom failing(run.config({"progressive.method=scratch"}),
                         std::make_unique<FailingRecorder>());
  const StepRoom launched(run, {"progressive.method=scratch", "run.cuda_graphs=false"});
  TrainState state = room.fresh_state();
  TrainState expected = launched.fresh_state();
  for (int64_t step = 0; step < 4; ++step) {
    train_step(state, failing.run());
    train_step(expected, launched.run());
  }
  expect_equal_states(state, expected);
  EXPECT_FALSE(failing.passes().records());
}

// Returns the gradients of these passes, each started from zero.
std::vector<at::Tensor> gradients_of_each(LanguageModel& model, TrainingPasses& passes,
                                          const TokenBatch& batch, const StepPlan& plan) {
  std::vector<at::Tensor> each;
  for (const PassPlan& pass : plan.passes) {
    passes.run_tree(model, batch, std::span(&pass, 1));
    each.push_back(model.parameters().gradients().clone());
  }
  return each;
}

TEST(TrainingPasses, AreAddedByABalancedTree) {
  const TinyRun run;
  const StepRoom room(run, {"progressive.method=scratch", "train.batch_size=7",
                            "train.micro_batch_size=1", "run.cuda_graphs=false"});
  TrainState state = room.fresh_state();
  TrainingPasses& passes = room.passes();
  TokenBatch batch;
  room.data().fill_train(0, 7, batch);
  const StepPlan plan = room.schedule().plan_step({}, {});
  ASSERT_EQ(plan.passes.size(), 7U);
  passes.begin_step(*state.model, 7 * 16);
  const std::vector<at::Tensor> g = gradients_of_each(*state.model, passes, batch, plan);
  const at::Tensor losses = passes.run_tree(*state.model, batch, plan.passes);
  const at::Tensor& sum = state.model->parameters().gradients();
  const at::Tensor expected = (g[0] + (g[1] + g[2])) + ((g[3] + g[4]) + (g[5] + g[6]));
  EXPECT_TRUE(sum.equal(expected));
  at::Tensor one_by_one = g[0].clone();
  for (size_t i = 1; i < g.size(); ++i)
    one_by_one += g[i];
  EXPECT_FALSE(sum.equal(one_by_one)) << "the order is not tested";
  // The halves are the sums that two processes would compute.
  passes.run_tree(*state.model, batch, std::span(plan.passes).first(3));
  const at::Tensor first = sum.clone();
  passes.run_tree(*state.model, batch, std::span(plan.passes).subspan(3));
  EXPECT_TRUE((sum + first).equal(expected));
  EXPECT_EQ(losses.numel(), 7);
  EXPECT_NEAR(losses.sum().item<double>(), train_step(state, room.run()).loss, 1e-5);
}

}  // namespace
}  // namespace apollo
