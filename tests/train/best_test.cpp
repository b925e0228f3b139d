// The best checkpoint of a run, and the run that ends where nothing better comes: on a text so
// short that the model soon learns it by heart.
#include <algorithm>

#include "base/file.h"
#include "support/thrown_text.h"
#include "tiny_run.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

class Best : public testing::Test {
 protected:
  Best() {
    run_.write("train.txt", made_up_text(400));
    run_.write("test.txt", made_up_text(200, 3));
  }

  std::vector<std::string> with(std::vector<std::string> overrides) const {
    overrides.insert(overrides.begin(), kOverfits.begin(), kOverfits.end());
    return overrides;
  }

  std::vector<Json> full_evaluations(const std::string& name) const {
    std::vector<Json> rows = run_.rows(name, "eval");
    std::erase_if(rows, [](const Json& row) { return row.at("which") != "full"; });
    return rows;
  }
  int64_t step_of_lowest(const std::string& name) const {
    const std::vector<Json> rows = full_evaluations(name);
    return std::min_element(rows.begin(), rows.end(),
                            [](const Json& a, const Json& b) {
                              return a.at("loss").get<double>() < b.at("loss").get<double>();
                            })
        ->at("step");
  }
  std::string best(const std::string& name) const {
    return fs::read_symlink(run_ / name / "checkpoints/best").string();
  }
  static std::string folder_of(int64_t step) { return fmt::format("step-{:08}", step); }
  int64_t steps_of(const std::string& name) const {
    return static_cast<int64_t>(run_.rows(name, "step").size());
  }
  Json state_of(const fs::path& checkpoint) const {
    return read_json(checkpoint / "apollo/state.json");
  }
  // Back to an earlier checkpoint, as a kill after it leaves the folder, or later.
  void go_back(const std::string& name, int64_t step) const {
    replace_link(run_ / name / "checkpoints/latest", folder_of(step));
  }

  const std::vector<std::string> kOverfits = {"progressive.method=scratch",
                                              "progressive.stages=[{layers=2}]",
                                              "model.layers=2",
                                              "model.dropout=0",
                                              "train.duration=120 steps",
                                              "train.lr=3e-2",
                                              "eval.every=6 steps"};
  TinyRun run_;
};

TEST_F(Best, TheCheckpointOfTheLowestLossStays) {
  run_.train("out", with({"checkpoint.keep=1", "checkpoint.every=50 steps"}));
  const int64_t lowest = step_of_lowest("out");
  ASSERT_GT(lowest, 0);
  ASSERT_LT(lowest, 100) << "the text was to be learnt by heart";
  EXPECT_EQ(best("out"), folder_of(lowest));
  const Json state = state_of(run_ / "out/checkpoints/best");
  EXPECT_EQ(state.at("position").at("step"), lowest);
  const Json last = state_of(run_ / "out/checkpoints/latest");
  EXPECT_EQ(last.at("best").at("step"), lowest);
  EXPECT_EQ(last.at("best").at("since"), (120 - lowest) / 6);
  EXPECT_TRUE(load_latest_checkpoint(run_ / "out/checkpoints", at::kCPU));
  std::set<std::string> folders;
  for (const auto& entry : fs::directory_iterator(run_ / "out/checkpoints"))
    folders.insert(entry.path().filename());
  EXPECT_EQ(folders, (std::set<std::string>{"best", "latest", folder_of(lowest), folder_of(120)}));
  std::vector<Json> written = run_.rows("out", "checkpoint");
  std::erase_if(written, [](const Json& row) { return !row.at("best").get<bool>(); });
  ASSERT_FALSE(written.empty());
  EXPECT_EQ(written.back().at("path"), "checkpoints/" + folder_of(lowest));
}

TEST_F(Best, KeepingItChangesNoNumber) {
  run_.train("kept", with({}));
  run_.train("plain", with({"checkpoint.best=false"}));
  EXPECT_FALSE(fs::exists(fs::symlink_status(run_ / "plain/checkpoints/best")));
  expect_equal_states(run_.latest("kept").state, run_.latest("plain").state);
  EXPECT_EQ(run_.latest("kept").state.best, run_.latest("plain").state.best);
}

TEST_F(Best, IsThatOfTheWholeRunAfterAKillAtAnyTime) {
  const auto all = with({"checkpoint.every=6 steps", "checkpoint.keep=99"});
  run_.train("out", all);
  const std::string lowest = best("out");
  const std::vector<Json> rows = full_evaluations("out");
  for (const int64_t step : {6, 30, 60, 114}) {
    go_back("out", step);
    // Before its link was made, and after it.
    if (step == 6) fs::remove(run_ / "out/checkpoints/best");
    run_.train("out", all);
    EXPECT_EQ(best("out"), lowest) << step;
    ASSERT_EQ(full_evaluations("out").size(), rows.size());
    EXPECT_EQ(full_evaluations("out").back().at("loss"), rows.back().at("loss"));
  }
}

// Steps 0 to 9 have fewer than the 12 layers of the final model.
TEST_F(Best, CountsTheFinalModelAlone) {
  run_.train("out", {"eval.every=1 steps", "train.lr=1e-9", "train.lr_schedule=constant",
                     "train.warmup=0 steps", "checkpoint.keep=1"});
  EXPECT_EQ(full_evaluations("out").front().at("step"), 0);
  std::string last;
  for (const Json& row : run_.rows("out", "checkpoint")) {
    if (!row.at("best").get<bool>()) continue;
    last = row.at("path");
    EXPECT_GT(last, "checkpoints/" + folder_of(9));
  }
  EXPECT_EQ(last, "checkpoints/" + best("out"));
  EXPECT_GT(run_.latest("out").state.best.step, 9);
}

TEST_F(Best, NeedsValidationData) {
  run_.train("out", with({"data.valid=[]"}));
  EXPECT_FALSE(fs::exists(fs::symlink_status(run_ / "out/checkpoints/best")));
  EXPECT_EQ(run_.latest("out").state.best, BestEvaluation{});
  EXPECT_EQ(thrown_text<ConfigError>([&] {
              run_.config(with({"data.valid=[]", "train.early_stopping=3"}));
            }),
            "--set: error: train.early_stopping waits for a validation loss, "
            "and there is no validation data\n  hint: data.valid, or data.valid_fraction = 0.01");
}

TEST_F(Best, ARunEndsEarlyWhereNothingBetterComes) {
  run_.train("whole", with({}));
  const int64_t lowest = step_of_lowest("whole");
  const auto patient = with({"train.early_stopping=3", "data.test=[\"test.txt\"]"});
  run_.train("out", patient);
  EXPECT_EQ(steps_of("out"), lowest + 3 * 6);
  EXPECT_EQ(best("out"), folder_of(lowest));
  const Json end = run_.rows("out", "end").at(0);
  EXPECT_EQ(end.at("reason"), "early_stopping");
  EXPECT_EQ(end.at("step"), lowest + 18);
  EXPECT_EQ(run_.rows("out", "test").at(0).at("step"), lowest + 18);
  const LoadedCheckpoint last = run_.latest("out");
  EXPECT_EQ(last.state.position.step, lowest + 18);
  EXPECT_EQ(last.state.best.since, 3);
  // What it did until then is what it would have done anyway.
  const auto before = run_.rows("whole", "step");
  EXPECT_EQ(run_.rows("out", "step").back().at("loss"),
            before.at(static_cast<size_t>(lowest + 17)).at("loss"));
  // It is over.
  const std::string metrics = read_file(run_ / "out/metrics.jsonl");
  run_.train("out", patient);
  EXPECT_EQ(read_file(run_ / "out/metrics.jsonl"), metrics);
}

TEST_F(Best, AnEarlyEndIsTheSameAfterAKill) {
  const auto patient = with({"train.early_stopping=3", "checkpoint.every=6 steps",
                             "checkpoint.keep=99", "data.test=[\"test.txt\"]"});
  run_.train("out", patient);
  const int64_t last = steps_of("out");
  for (int64_t step = 6; step <= last; step += 6) {
    go_back("out", step);
    run_.train("out", patient);
    EXPECT_EQ(steps_of("out"), last) << step;
    EXPECT_EQ(run_.rows("out", "end").size(), 1U) << step;
    EXPECT_EQ(run_.rows("out", "end").at(0).at("reason"), "early_stopping") << step;
    EXPECT_EQ(run_.rows("out", "test").size(), 1U) << step;
  }
}

TEST_F(Best, MorePatienceGoesOnFromAnEarlyEnd) {
  run_.train("whole", with({"train.early_stopping=8"}));
  run_.train("out", with({"train.early_stopping=3"}));
  ASSERT_LT(steps_of("out"), steps_of("whole"));
  run_.train("out", with({"train.early_stopping=8"}));
  EXPECT_EQ(steps_of("out"), steps_of("whole"));
  expect_equal_states(run_.latest("out").state, run_.latest("whole").state);
}

// Nothing improves on the first evaluation of each stage here; the last stage begins at step 9.
TEST_F(Best, PatienceBeginsWithTheLastStage) {
  run_.train("out", {"eval.every=1 steps", "train.lr=1e-30", "train.early_stopping=1",
                     "train.duration=40 steps", "progressive.depth_sampler=shallowest",
                     "progressive.stages=[{layers=1, until=\"3 steps\"}, {layers=12, until=\"9 "
                     "steps\", depth=6}, {layers=12}]"});
  EXPECT_EQ(run_.rows("out", "end").at(0).at("reason"), "early_stopping");
  EXPECT_EQ(run_.latest("out").state.best.step, 4) << "all layers are there from step 3 on";
  EXPECT_EQ(steps_of("out"), 10);
}

}  // namespace
}  // namespace apollo
