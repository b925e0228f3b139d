// Suites are run by a program that trains nothing. It copies a run folder that the test made to
// where the suite wants one, or it fails like a trainer.
#include "suite/run_suite.h"

#include <map>
#include <sstream>

#include "config/toml_io.h"
#include "progressive/resolve.h"
#include "report/made_up_run.h"
#include "suite/made_up_suite.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTrainer = R"sh(# train BASE --out FOLDER ...
made="$MADE/$(echo "$4" | tr / _)"
echo "$4" >>"$MADE/calls"
if [ ! -d "$made" ]; then
  echo "starting" >&2
  echo "apollo: error: out of luck" >&2
  exit 1
fi
cp "$made"/* "$4"
)sh";

class RunSuiteTest : public SuiteTest {
 protected:
  void SetUp() override {
    SuiteTest::SetUp();
    fs::create_directories(dir_ / "made");
    write_file_atomic(dir_ / "trainer.sh", kTrainer);
  }

  // Writes what a trainer would leave in the folder of `run`, ending with this loss.
  void make(const PlannedRun& run, double loss, const std::string& reason = "finished") {
    std::string name = run.folder.string();
    for (char& c : name)
      c = c == '/' ? '_' : c;
    Json start = start_row(run.name, run.config.progressive.method);
    start["layers"] = run.config.model.layers;
    start["train_data"] = start["valid_data"] = start["tokenizer"] = "";
    write_run(dir_ / "made" / name, {start, step_row(run.steps, run.flops, 1, loss),
                                     eval_row(run.steps, run.flops, 1,
                                              static_cast<double>(run.config.model.layers), loss),
                                     end_row(run.steps, reason)});
    ResolvedConfig resolved = resolve_run_config(run.base, run.overrides);
    resolved.config.model.vocab_size = run.config.model.vocab_size;
    write_file_atomic(dir_ / "made" / name / "run.toml", to_toml(resolved));
  }

  SuiteOutcome run(const SuitePlan& plan) {
    return run_suite(plan, {.jobs = 2,
                            .program = {"/usr/bin/env", "MADE=" + (dir_ / "made").string(),
                                        "/bin/sh", (dir_ / "trainer.sh").string()}});
  }

  int num_calls() {
    std::istringstream lines(read_file(dir_ / "made/calls"));
    int count = 0;
    for (std::string line; std::getline(lines, line);)
      ++count;
    return count;
  }
};

TEST_F(RunSuiteTest, TrainsWithTheBestOfTheValuesAndThenNothingMore) {
  const SuitePlan plan = this->plan(kGrid);
  const std::map<std::string, double> losses = {
      {"train.lr=0.001", 3.0}, {"train.lr=0.004", 2.0}, {"train.lr=0.002", 2.5}};
  for (const PlannedRun& tried : plan.groups[0].tuning)
    make(tried, losses.at(tried.choice[0]));
  for (const PlannedRun& compared : plan.groups[0].runs)
    make(with_choice(compared, {"train.lr=0.004"}), 1.5);
  for (const PlannedRun& compared : plan.groups[1].runs)
    make(compared, 1.25);

  const SuiteOutcome outcome = run(plan);
  EXPECT_TRUE(outcome.failures().empty());
  ASSERT_EQ(outcome.tuning.size(), 1u);
  EXPECT_EQ(outcome.tuning[0].best, 1u);
  ASSERT_EQ(outcome.runs.size(), 8u);
  // One seed after the other.
  EXPECT_EQ(outcome.runs.front().run.seed, 1u);
  EXPECT_EQ(outcome.runs.back().run.seed, 2u);
  for (const RunOutcome& one : outcome.runs) {
    EXPECT_EQ(one.status, RunStatus::kFinished);
    EXPECT_EQ(one.run.config.train.lr, one.run.name == "plain" ? 4e-3 : 8e-3);
  }
  // The run of the tuned seed and budget was already trained for tuning and is not trained again.
  const fs::path tried = plan.groups[0].tuning[1].folder;
  EXPECT_TRUE(fs::equivalent(plan.groups[0].runs[0].folder, tried));
  EXPECT_EQ(num_calls(), 3 + 7);

  run(plan);
  EXPECT_EQ(num_calls(), 3 + 7);
}

TEST_F(RunSuiteTest, TellsWhyARunFailed) {
  const SuitePlan plan = this->plan(kGrid);
  for (const PlannedRun& tried : plan.groups[0].tuning)
    make(tried, 2.0, "diverged");
  for (const PlannedRun& compared : plan.groups[1].runs) {
    if (compared.seed == 1) make(compared, 1.25);
  }
  const SuiteOutcome outcome = run(plan);
  EXPECT_FALSE(outcome.tuning[0].best);
  std::map<std::string, int> reasons;
  for (const RunOutcome* failed : outcome.failures())
    ++reasons[failed->run.name + ": " + failed->reason];
  // Values that diverge while they are tried are not failures.
  EXPECT_EQ(reasons,
            (std::map<std::string, int>{{"plain: no value of its grid could be trained", 4},
                                        {"grown: exit code 1: out of luck", 2}}));
}

TEST_F(RunSuiteTest, ARunOfOtherValuesIsNotTakenForTheSame) {
  const SuitePlan plan = this->plan(
      "[suite]\nbase = \"run.toml\"\n[[run]]\nname = \"a\"\nset = { \"train.lr\" = 2e-3 }\n");
  make(plan.groups[0].runs[0], 2.0);
  run(plan);
  const SuitePlan other = this->plan(
      "[suite]\nbase = \"run.toml\"\n[[run]]\nname = \"a\"\nset = { \"train.lr\" = 3e-3 }\n");
  const SuiteOutcome outcome = run(other);
  ASSERT_EQ(outcome.failures().size(), 1u);
  EXPECT_EQ(outcome.failures()[0]->reason,
            "the folder holds a run with other values (train.lr: 0.002 -> 0.003); hint: remove it, "
            "or choose another --out");
  EXPECT_EQ(num_calls(), 1);
}

}  // namespace
}  // namespace apollo
