// Recorded passes against the same passes launched operator by operator. On the CPU, recordings are
// the work itself, run again (test_recorder.h): what is recorded when is tested everywhere, and
// with APOLLO_TEST_DEVICE=cuda that a GPU repeats it to the bit.
#include "train/training_passes.h"

#include <algorithm>

#include "tiny_run.h"
#include "train/train_step.h"

namespace apollo {
namespace {

std::vector<std::string> with(std::vector<std::string> overrides, const char* graphs) {
  overrides.push_back(std::string("run.cuda_graphs=") + graphs);
  return overrides;
}

// Steps of one stage, alike in all that a run knows.
void expect_same_steps(const std::vector<std::string>& overrides, int64_t num_recorded) {
  const TinyRun run;
  const StepRoom recorded(run, with(overrides, "true"));
  const StepRoom launched(run, with(overrides, "false"));
  TrainState state = recorded.fresh_state();
  TrainState expected = launched.fresh_state();
  for (int64_t step = 0; step < 12; ++step) {
    const StepResult result = train_step(state, recorded.context());
    const StepResult expected_result = train_step(expected, launched.context());
    EXPECT_EQ(result.loss, expected_result.loss) << "step " << step;
    EXPECT_EQ(result.grad_norm, expected_result.grad_norm) << "step " << step;
  }
  expect_equal_states(state, expected);
  EXPECT_EQ(recorded.context().passes.num_recorded(), num_recorded);
  EXPECT_EQ(launched.context().passes.num_recorded(), 0);
}

TEST(TrainingPasses, TheCpuHasNothingToRecordWith) {
  EXPECT_EQ(make_device_graph_recorder(at::kCPU), nullptr);
  EXPECT_FALSE(TrainingPasses(at::kCPU, nullptr).records());
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
    for (const int64_t depth : train_step(state, room.context()).depths)
      ++uses[depth];
  }
  const auto repeated =
      std::count_if(uses.begin(), uses.end(), [](const auto& item) { return item.second > 2; });
  EXPECT_GT(repeated, 1) << "or depths are not tested";
  EXPECT_EQ(room.context().passes.num_recorded(), repeated);
}

TEST(TrainingPasses, WhatDiffersIsRecordedApart) {
  // The last micro-batch of a step has one row.
  expect_same_steps({"progressive.method=scratch", "train.micro_batch_size=3"}, 2);
  expect_same_steps({"progressive.method=scratch", "train.precision=bf16"}, 1);
  expect_same_steps({"progressive.method=scratch", "train.recompute=all", "model.dropout=0"}, 1);
  // What is drawn again cannot be recorded.
  expect_same_steps({"progressive.method=scratch", "train.recompute=all", "model.dropout=0.1"}, 0);
}

TEST(TrainingPasses, RecordingsAreDroppedWithTheirModel) {
  const TinyRun run;
  const StepRoom recorded(run, {"progressive.method=scratch"});
  const StepRoom launched(run, {"progressive.method=scratch", "run.cuda_graphs=false"});
  TrainState first = recorded.fresh_state();
  for (int64_t step = 0; step < 4; ++step)
    train_step(first, recorded.context());
  TrainState state = recorded.fresh_state();
  TrainState expected = launched.fresh_state();
  for (int64_t step = 0; step < 4; ++step) {
    train_step(state, recorded.context());
    train_step(expected, launched.context());
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
  TrainingPasses passes(test_device(), std::make_unique<FailingRecorder>());
  StepContext context = room.context();
  const StepContext failing{context.config,    context.schedule, context.data, context.lr,
                            context.optimizer, context.pass,     passes};
  const StepRoom launched(run, {"progressive.method=scratch", "run.cuda_graphs=false"});
  TrainState state = room.fresh_state();
  TrainState expected = launched.fresh_state();
  for (int64_t step = 0; step < 4; ++step) {
    train_step(state, failing);
    train_step(expected, launched.context());
  }
  expect_equal_states(state, expected);
  EXPECT_FALSE(passes.records());
}

}  // namespace
}  // namespace apollo
