#include "report/run_history.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "base/file.h"
#include "report/made_up_run.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

template <class Function>
std::string error_of(Function&& function) {
  try {
    function();
  } catch (const DataError& error) {
    return error.what();
  }
  return "no DataError";
}

void append(const std::filesystem::path& file, const std::string& text) {
  std::ofstream(file, std::ios::app) << text;
}

TEST(RunHistory, ReadsEveryKindOfRow) {
  TempDir dir;
  Json diverging = step_row(2, 200, 2.5, 0.0);
  diverging["loss"] = nullptr;
  diverging["future"] = {{"step", 99}, {"list", {1, 2}}};
  const Json growth = {{"event", "grow"}, {"step", 2},          {"flops", 200.0},
                       {"wall_s", 2.75},  {"from", 6},          {"to", 12},
                       {"map", {0, 0}},   {"loss_before", 3.5}, {"loss_after", nullptr}};
  // A row of an earlier version.
  const Json trial = {{"event", "trial"}, {"step", 2},     {"from", 6},
                      {"to", 12},         {"loss", 3.25},  {"layer_map", "stack"},
                      {"flops", 260.0},   {"wall_s", 2.9}, {"trial_flops", 30.0},
                      {"chosen", true}};
  Json measured = eval_row(3, 300, 3.5, 12, 3.0);
  measured["energy_j"] = 50.0;
  measured["bpb"] = 1.25;
  write_run(dir / "a", {start_row("first", "apollo"),
                        step_row(1, 100, 1.5, 4.0),
                        diverging,
                        growth,
                        trial,
                        {{"event", "checkpoint"}, {"step", 2}, {"path", "x"}, {"seconds", 0.1}},
                        step_row(3, 300, 3.5, 3.0),
                        eval_row(3, 300, 3.5, 6, 2.5),
                        measured,
                        end_row(3, "finished")});
  const RunHistory run = read_run(dir / "a");

  EXPECT_EQ(run.info.name, "first");
  EXPECT_EQ(run.info.method, "apollo");
  EXPECT_EQ(run.info.layers, 12);
  EXPECT_EQ(run.info.seed, 42u);
  EXPECT_EQ(run.info.valid_data, "bbbb");
  EXPECT_EQ(run.steps.step, (std::vector<double>{1, 2, 3}));
  EXPECT_EQ(run.steps.flops, (std::vector<double>{100, 200, 300}));
  EXPECT_TRUE(std::isnan(run.steps.loss[1]));
  EXPECT_EQ(run.steps.loss[2], 3.0);
  EXPECT_TRUE(std::isnan(run.steps.energy_j[0]));
  ASSERT_EQ(run.growths.size(), 1u);
  EXPECT_EQ(run.growths[0].to, 12);
  EXPECT_EQ(run.growths[0].cost.tokens, 20.0);
  EXPECT_EQ(run.growths[0].cost.wall_s, 2.75);
  EXPECT_EQ(run.growths[0].loss_before, 3.5);
  EXPECT_EQ(run.growths[0].loss_after, std::nullopt);
  ASSERT_EQ(run.evaluations.size(), 2u);
  EXPECT_FALSE(run.evaluations[0].full_depth);
  EXPECT_TRUE(run.evaluations[1].full_depth);
  EXPECT_EQ(run.evaluations[1].cost.energy_j, 50.0);
  EXPECT_EQ(run.evaluations[1].bpb, 1.25);
  EXPECT_EQ(full_depth_evaluations(run).size(), 1u);
  EXPECT_EQ(run.end->reason, "finished");
  EXPECT_EQ(run.eval_flops, 9.0);
  EXPECT_EQ(run.total.wall_s, 3.5);
  EXPECT_TRUE(run.config.empty());
}

TEST(RunHistory, ResumeReplacesWhatCameAfterItsCheckpoint) {
  TempDir dir;
  write_run(dir / "a", {start_row("a", "apollo"),
                        step_row(1, 100, 1, 4.0),
                        step_row(2, 200, 2, 3.0),
                        eval_row(2, 200, 2, 12, 3.0),
                        step_row(3, 300, 3, 9.0),
                        eval_row(3, 300, 3, 12, 9.0),
                        {{"event", "sample"}, {"step", 2}, {"prompt", "a"}, {"text", "b"}},
                        {{"event", "sample"}, {"step", 3}, {"prompt", "a"}, {"text", "c"}},
                        {{"event", "resume"}, {"step", 2}, {"time", "t"}, {"total_steps", 7}},
                        step_row(3, 300, 3, 2.0)});
  const RunHistory run = read_run(dir / "a");
  EXPECT_EQ(run.steps.loss, (std::vector<double>{4, 3, 2}));
  EXPECT_EQ(run.evaluations.size(), 1u);
  EXPECT_EQ(run.num_resumes, 1);
  EXPECT_EQ(run.info.total_steps, 7);
  ASSERT_EQ(run.samples.size(), 1u);
  EXPECT_EQ(run.samples[0].text, "b");
  EXPECT_FALSE(run.end.has_value());
}

TEST(RunHistory, PassesOverATornLastLineOnly) {
  TempDir dir;
  write_run(dir / "a", {start_row("a", "apollo"), step_row(1, 100, 1, 4.0)});
  const auto metrics = dir / "a/metrics.jsonl";
  append(metrics, R"({"event":"step","step":2,"tok)");
  EXPECT_EQ(read_run(dir / "a").steps.size(), 1u);
  append(metrics, "\n");
  EXPECT_EQ(error_of([&] { read_run(dir / "a"); }),
            metrics.string() +
                ":3: damaged row: expected a JSON object, found "
                "'{\"event\":\"step\",\"step\":2,\"tok'");
}

TEST(RunHistory, FlattensTheConfig) {
  TempDir dir;
  write_run(dir / "a", {start_row("a", "apollo"), step_row(1, 100, 1, 4.0)});
  write_file_atomic(
      dir / "a/run.toml",
      "[train]\nlr = 0.8 # default\nbatch_size = 64\n[progressive]\n"
      "method = \"apollo\"\nstages = [{layers = 1, until = \"5%\"}, {layers = 12}]\n");
  const std::vector<ConfigEntry> expected = {
      {"progressive.method", "apollo"},
      {"progressive.stages", "[{layers = 1, until = \"5%\"}, {layers = 12}]"},
      {"train.batch_size", "64"},
      {"train.lr", "0.8"}};
  EXPECT_EQ(read_run(dir / "a").config, expected);
  write_file_atomic(dir / "a/run.toml", "[train\n");
  EXPECT_EQ(error_of([&] { read_run(dir / "a"); }).find((dir / "a/run.toml:1:").string()), 0u);
}

TEST(RunHistory, SaysWhatIsWrongWithAFolder) {
  TempDir dir;
  const std::string missing = (dir / "nowhere").string();
  EXPECT_EQ(error_of([&] { read_run(missing); }), missing + ": no such run folder");
  EXPECT_EQ(error_of([&] { read_run(dir.path()); }),
            dir.path().string() +
                ": not a run folder: expected 'metrics.jsonl' in it "
                "(hint: `apollo train` writes one)");
  write_run(dir / "a", {start_row("a", "apollo")});
  const std::string metrics = (dir / "a/metrics.jsonl").string();
  EXPECT_EQ(error_of([&] { read_run(dir / "a"); }),
            metrics + ": no step in it yet (hint: wait for the run's first step)");
}

TEST(RunHistory, SaysWhichRowIsDamaged) {
  TempDir dir;
  const std::string metrics = (dir / "a/metrics.jsonl").string();
  const auto error_with = [&](const Json& row) {
    std::filesystem::remove_all(dir / "a");
    write_run(dir / "a",
              {start_row("a", "apollo"), step_row(1, 100, 1, 4.0), row, step_row(2, 200, 2, 4.0)});
    return error_of([&] { read_run(dir / "a"); });
  };
  Json step = step_row(2, 200, 2, 4.0);
  EXPECT_EQ(error_with(step), metrics + ":4: step 2 follows step 2 without a 'resume' row between");
  step.erase("flops");
  EXPECT_EQ(error_with(step), metrics + ":3: damaged row: 'step' row without 'flops'");
  Json eval = eval_row(1, 100, 1, 12, 4.0);
  eval.erase("loss");
  EXPECT_EQ(error_with(eval), metrics + ":3: damaged row: 'eval' row without 'loss'");
  eval["loss"] = "low";
  EXPECT_EQ(error_with(eval),
            metrics + ":3: damaged row: expected a number for 'loss', found '\"low\"'");
  EXPECT_EQ(error_with({{"step", 2}}), metrics + ":3: damaged row: no 'event'");
  EXPECT_EQ(error_with(Json::array({1})),
            metrics + ":3: damaged row: expected a JSON object, found '[1]'");

  std::filesystem::remove_all(dir / "a");
  write_run(dir / "a", {step_row(1, 100, 1, 4.0)});
  EXPECT_EQ(error_of([&] { read_run(dir / "a"); }),
            metrics + ":1: expected the run's 'start' row first, found 'step'");
}

TEST(RunHistory, ReadsSeveralInTheirOrder) {
  TempDir dir;
  for (const char* name : {"c", "a", "b"}) {
    write_run(dir / name, {start_row(name, "apollo"), step_row(1, 100, 1, 4.0)});
  }
  const auto runs = read_runs({dir / "c", dir / "a", dir / "b"});
  ASSERT_EQ(runs.size(), 3u);
  EXPECT_EQ(runs[0].info.name + runs[1].info.name + runs[2].info.name, "cab");
  EXPECT_THROW(read_runs({dir / "c", dir / "nowhere"}), DataError);
}

}  // namespace
}  // namespace apollo
