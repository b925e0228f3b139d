// Runs in bf16 on the CPU: growth, checkpoints and resuming.
#include "tiny_run.h"

#include "ops/mixed_precision.h"

namespace apollo {
namespace {

class Bf16Run : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!cpu_multiplies_bf16() || !test_device().is_cpu())
      GTEST_SKIP() << "takes a CPU that multiplies bf16";
  }

  const std::vector<std::string> in_bf16_ = {
      std::string("model.architecture=") + GetParam(), "train.precision=bf16",
      "data.tokenizer=train:wordpiece:60", "checkpoint.every=1 steps", "checkpoint.keep=99"};
  TinyRun run_;
};

// Stages end at steps 3, 6 and 9.
TEST_P(Bf16Run, ResumesToTheBitAndKeepsMastersInFloat32) {
  run_.train("whole", in_bf16_);
  for (const int64_t step : {2, 6, 11}) {
    const std::string name = "killed" + std::to_string(step);
    run_.copy_killed_at(step, name);
    run_.train(name, in_bf16_);
    expect_equal_states(run_.latest(name).state, run_.latest("whole").state);
  }
  const TrainState state = run_.latest("whole").state;
  EXPECT_EQ(state.model->parameters().values().scalar_type(), at::kFloat);
  EXPECT_FALSE(state.model->parameters().values().equal(
      state.model->parameters().values().to(at::kBFloat16).to(at::kFloat)));
}

TEST_P(Bf16Run, TwoThreadsGiveTheSameBitsAgain) {
  std::vector<std::string> overrides = in_bf16_;
  overrides.emplace_back("run.threads=2");
  run_.train("first", overrides);
  run_.train("second", overrides);
  expect_equal_states(run_.latest("first").state, run_.latest("second").state);
}

TEST_P(Bf16Run, LearnsAsInFloat32) {
  run_.train("rough", in_bf16_);
  std::vector<std::string> exact = in_bf16_;
  exact.emplace_back("train.precision=fp32");
  run_.train("exact", exact);
  const auto losses = [&](const char* name) {
    std::vector<double> found;
    for (const Json& row : run_.rows(name, "step"))
      found.push_back(row.at("loss"));
    return found;
  };
  const std::vector<double> rough = losses("rough"), fp32 = losses("exact");
  ASSERT_EQ(rough.size(), 12u);
  EXPECT_NE(rough, fp32);
  for (size_t i = 0; i < rough.size(); ++i)
    EXPECT_NEAR(rough[i], fp32[i], 0.02) << i;
}

INSTANTIATE_TEST_SUITE_P(Architectures, Bf16Run,
                         testing::Values("gpt2", "bert", "llama", "modernbert"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace apollo
