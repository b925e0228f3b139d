// A run whose length changes while it goes on: to the bits of one that had it from the start.
#include "train/run_length.h"

#include "base/file.h"
#include "support/thrown_text.h"
#include "tiny_run.h"

namespace apollo {
namespace {

class RunLength : public testing::Test {
 protected:
  std::vector<std::string> with(std::vector<std::string> overrides) const {
    overrides.insert(overrides.begin(),
                     {"train.warmup=1 steps", "checkpoint.every=1 steps", "checkpoint.keep=99"});
    return overrides;
  }
  std::vector<std::string> constant(const char* duration) const {
    return with({"train.lr_schedule=constant", std::string("train.duration=") + duration});
  }
  // Constant up to step 9 of 12, up to step 18 of 24.
  std::vector<std::string> wsd(const char* duration) const {
    return with({"train.lr_schedule=wsd", "train.decay=25%", "progressive.method=scratch",
                 "progressive.stages=[{layers=12}]", std::string("train.duration=") + duration});
  }
  void go_back(const char* name, int64_t step) const {
    replace_link(run_ / name / "checkpoints/latest", fmt::format("step-{:08}", step));
  }
  std::string error_of(const std::vector<std::string>& overrides) const {
    const std::string text = thrown_text<ConfigError>([&] { run_.train("out", overrides); });
    const std::string folder = (run_ / "out").string();
    std::string shown;
    for (size_t at = 0; at < text.size();) {
      const size_t found = std::min(text.find(folder, at), text.size());
      shown += text.substr(at, found - at) + (found < text.size() ? "DIR" : "");
      at = found + folder.size();
    }
    return shown;
  }
  std::string config_of_folder() const { return read_file(run_ / "out/run.toml"); }

  TinyRun run_;
};

TEST_F(RunLength, AFinishedRunOfConstantRateGoesOn) {
  run_.train("whole", constant("24 steps"));
  run_.train("out", constant("12 steps"));
  run_.train("out", constant("24 steps"));
  expect_equal_states(run_.latest("out").state, run_.latest("whole").state);
  EXPECT_EQ(run_.rows("out", "step").size(), 24U);
  EXPECT_EQ(run_.rows("out", "end").size(), 1U);
  const Json resumed = run_.rows("out", "resume").at(0);
  EXPECT_EQ(resumed.at("total_steps"), 24);
  EXPECT_EQ(resumed.at("total_flops"), run_.rows("whole", "start").at(0).at("total_flops"));
  EXPECT_NE(config_of_folder().find("duration = \"24 steps\""), std::string::npos);
  // Once more, and to its end in tokens: 30 steps.
  run_.train("out", constant("1920 tokens"));
  EXPECT_EQ(run_.rows("out", "step").size(), 30U);
}

TEST_F(RunLength, WsdGoesOnFromBeforeItsDecay) {
  run_.train("whole", wsd("24 steps"));
  run_.train("out", wsd("12 steps"));
  EXPECT_EQ(error_of(wsd("24 steps")),
            "DIR: error: the run in this folder was started with other values:\n"
            "    train.duration: \"12 steps\" -> \"24 steps\"\n"
            "  hint: the length can change between warm-up and decay only; a checkpoint of before "
            "the decay can go on; `apollo train --from DIR` begins a new run with its weights");
  go_back("out", 10);
  EXPECT_NE(error_of(wsd("24 steps")), "") << "one step of decay is behind it";
  go_back("out", 9);
  run_.train("out", wsd("24 steps"));
  expect_equal_states(run_.latest("out").state, run_.latest("whole").state);
}

// Shorter, too, as long as it has not come that far.
TEST_F(RunLength, MayShrink) {
  run_.train("whole", wsd("12 steps"));
  run_.train("out", wsd("24 steps"));
  go_back("out", 9);
  run_.train("out", wsd("12 steps"));
  expect_equal_states(run_.latest("out").state, run_.latest("whole").state);
  run_.train("out2", constant("24 steps"));
  EXPECT_NE(thrown_text<ConfigError>([&] {
              run_.train("out2", constant("12 steps"));
            }).find("hint: it has come as far as that already; "),
            std::string::npos);
}

TEST_F(RunLength, StaysWhereTheRateHasFallenOrLayersAreToCome) {
  run_.train("out", with({}));
  EXPECT_EQ(error_of(with({"train.duration=24 steps"})),
            "DIR: error: the run in this folder was started with other values:\n"
            "    train.duration: \"12 steps\" -> \"24 steps\"\n"
            "  hint: the length can change while the learning rate is constant, as it is with "
            "train.lr_schedule = \"constant\", or \"wsd\" until its decay; `apollo train --from "
            "DIR` begins a new run with its weights");
  EXPECT_TRUE(error_of(with({"train.duration=24 steps", "train.clip=2"}))
                  .ends_with("hint: take them back to go on with it, or start another run with "
                             "--out"));
  run_.train("grows", constant("12 steps"));
  go_back("grows", 5);
  EXPECT_NE(
      thrown_text<ConfigError>([&] { run_.train("grows", constant("24 steps")); })
          .find("hint: the length can change in the last stage, since stages end at shares of "
                "it; "),
      std::string::npos);
}

// run.toml is written before the first checkpoint of the new length.
TEST_F(RunLength, AKillBeforeTheFirstCheckpointLosesNothing) {
  run_.train("whole", constant("24 steps"));
  run_.train("out", constant("12 steps"));
  const std::string before = config_of_folder();
  { const Trainer trainer(run_.open("out", constant("24 steps"))); }
  EXPECT_NE(config_of_folder(), before);
  { const Trainer trainer(run_.open("out", constant("12 steps"))); }
  EXPECT_EQ(config_of_folder(), before);
  { const Trainer trainer(run_.open("out", constant("24 steps"))); }
  run_.train("out", constant("24 steps"));
  expect_equal_states(run_.latest("out").state, run_.latest("whole").state);
}

}  // namespace
}  // namespace apollo
