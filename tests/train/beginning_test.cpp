// Runs that start from a trained source: what they start with, what they are charged, and that they
// no longer need the source once they have saved.
#include "train/beginning.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "base/stop_signal.h"
#include "model/hf_folder.h"
#include "support/thrown_text.h"
#include "train/tiny_run.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// A source of two layers that is half as wide as the runs that start from it.
class SourceRun : public testing::Test {
 protected:
  SourceRun() {
    run_.train("small", {"model.layers=2", "model.width=8", "model.heads=1",
                         "progressive.method=scratch", "progressive.stages=[{layers = 2}]",
                         "train.duration=40 steps", "eval.every=0 steps"});
  }

  std::vector<std::string> grown(std::vector<std::string> more = {}) const {
    std::vector<std::string> keys = {"model.layers=4", "progressive.stages=[{layers = 4}]",
                                     "model.from=" + source().string()};
    keys.insert(keys.end(), more.begin(), more.end());
    return keys;
  }
  fs::path source() const { return run_ / "small/checkpoints/latest"; }
  double source_flops() const { return run_.latest("small").state.position.flops; }

  TinyRun run_;
};

double first_loss(const TinyRun& run, const std::string& name) {
  return run.rows(name, "eval").front().at("loss").get<double>();
}

TEST_F(SourceRun, BeginsWhereTheSourceEnded) {
  const double source_loss = run_.rows("small", "eval").back().at("loss").get<double>();
  const std::vector<std::string> keys = {"model.dropout=0.0", "progressive.new_layers=identity"};
  run_.train("fpi", grown(keys));
  // Twice the width keeps the function, and so do closed blocks of GPT-2.
  EXPECT_NEAR(first_loss(run_, "fpi"), source_loss, 1e-5);
  run_.train("aki", grown({"progressive.source_map=aki"}));
  EXPECT_GT(std::abs(first_loss(run_, "aki") - source_loss), 1e-4);
}

TEST_F(SourceRun, ChargesTheSourceFromTheFirstRowOn) {
  run_.train("charged", grown());
  run_.train("free", grown({"progressive.charge_source=false"}));
  const Json start = run_.rows("charged", "start").at(0);
  EXPECT_EQ(start.at("source"), source().string());
  EXPECT_EQ(start.at("source_layers"), 2);
  EXPECT_EQ(start.at("source_width"), 8);
  EXPECT_EQ(start.at("source_map"), "fpi");
  EXPECT_EQ(start.at("source_flops").get<double>(), source_flops());
  EXPECT_GT(start.at("source_wall_s").get<double>(), 0.0);
  EXPECT_EQ(start.at("source_charged"), true);
  EXPECT_EQ(start.at("source_learning_flops"), 0.0);
  EXPECT_EQ(run_.rows("free", "start").at(0).at("source_charged"), false);
  const std::vector<Json> charged = run_.rows("charged", "step"), free = run_.rows("free", "step");
  ASSERT_EQ(charged.size(), free.size());
  for (size_t i = 0; i < charged.size(); ++i) {
    EXPECT_EQ(charged[i].at("flops").get<double>(),
              source_flops() + free[i].at("flops").get<double>());
    EXPECT_EQ(charged[i].at("loss"), free[i].at("loss"));
  }
  EXPECT_EQ(start.at("total_flops").get<double>(), charged.back().at("flops").get<double>());
  // A run that starts from that run pays for both.
  const auto cost = read_training_cost(run_ / "charged/checkpoints/latest");
  ASSERT_TRUE(cost);
  EXPECT_EQ(cost->flops, charged.back().at("flops").get<double>());
}

TEST_F(SourceRun, TakesTheSourceOutOfABudgetOfFlops) {
  const std::string budget = fmt::format("train.duration={:.17g} flops", 3 * source_flops());
  run_.train("run", grown({budget}));
  const double last = run_.rows("run", "step").back().at("flops").get<double>();
  EXPECT_GE(last, 3 * source_flops());
  EXPECT_LT(last, 3.2 * source_flops());
  EXPECT_EQ(run_.rows("run", "start").at(0).at("total_flops").get<double>(), last);
}

TEST_F(SourceRun, OfUnknownCostIsNotCharged) {
  const fs::path plain = run_ / "plain";
  fs::create_directory(plain);
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json"})
    fs::copy_file(source() / name, plain / name);
  run_.train("run", grown({"model.from=" + plain.string()}));
  const Json start = run_.rows("run", "start").at(0);
  EXPECT_TRUE(start.at("source_flops").is_null());
  EXPECT_TRUE(start.at("source_wall_s").is_null());
  EXPECT_EQ(start.at("source_charged"), false);
  EXPECT_EQ(run_.latest("run").state.before.flops, 0.0);
}

TEST_F(SourceRun, LearnsAMapThatIsBetterThanItsBeginning) {
  const std::vector<std::string> keys = {"model.dropout=0.0", "progressive.layer_map=stack"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), keys.begin(), keys.end());
    return grown(more);
  };
  run_.train("fpi", with({}));
  run_.train("ligo", with({"progressive.source_map=ligo", "progressive.source_steps=60"}));
  EXPECT_LT(first_loss(run_, "ligo"), first_loss(run_, "fpi") - 0.1);
  const Json start = run_.rows("ligo", "start").at(0);
  const double learning = start.at("source_learning_flops").get<double>();
  EXPECT_GT(learning, 0.0);
  EXPECT_EQ(run_.latest("ligo").state.before.flops, source_flops() + learning);
  // Training still starts at the beginning of its order.
  EXPECT_EQ(run_.latest("ligo").state.tokens, run_.latest("fpi").state.tokens);
}

TEST_F(SourceRun, ResumesToTheSameBitsWithoutTheSource) {
  for (const char* map : {"aki", "ligo"}) {
    const std::string key = fmt::format("progressive.source_map={}", map);
    const std::vector<std::string> keys =
        grown({key, "progressive.source_steps=3", "checkpoint.every=5 steps"});
    const std::string whole = fmt::format("whole-{}", map), parts = fmt::format("parts-{}", map);
    run_.train(whole, keys);
    fs::create_directories(run_ / parts / "checkpoints");
    for (const char* file : {"run.toml", "metrics.jsonl"})
      fs::copy_file(run_ / whole / file, run_ / parts / file);
    const std::string early = "checkpoints/step-00000010";
    ASSERT_TRUE(fs::exists(run_ / whole / early));
    fs::copy(run_ / whole / early, run_ / parts / early, fs::copy_options::recursive);
    replace_link(run_ / parts / "checkpoints/latest", "step-00000010");
    fs::rename(run_ / "small", run_ / "elsewhere");
    run_.train(parts, keys);
    fs::rename(run_ / "elsewhere", run_ / "small");
    expect_equal_states(run_.latest(parts).state, run_.latest(whole).state);
    EXPECT_EQ(run_.latest(parts).state.before.flops, run_.latest(whole).state.before.flops);
    EXPECT_EQ(run_.rows(parts, "step").back().at("flops"),
              run_.rows(whole, "step").back().at("flops"));
  }
}

TEST_F(SourceRun, LearnsTheSameMapTwice) {
  const std::vector<std::string> keys =
      grown({"progressive.source_map=ligo", "progressive.source_steps=5"});
  run_.train("first", keys);
  run_.train("second", keys);
  expect_equal_states(run_.latest("first").state, run_.latest("second").state);
}

TEST_F(SourceRun, RefusesAModelThatDoesNotFollowBeforeItRuns) {
  const std::string text =
      thrown_text<ConfigError>([&] { run_.train("run", grown({"model.heads=1"})); });
  EXPECT_EQ(text, fmt::format("--set: error: model.from: {}: heads are copied whole, so "
                              "their size must stay: the source's have 8 neurons, the model's "
                              "16\n  hint: model.heads = 2",
                              source().string()));
  EXPECT_FALSE(fs::exists(run_ / "run/run.toml"));
}

TEST_F(SourceRun, BeginsABertToo) {
  const std::vector<std::string> bert = {"model.architecture=bert",
                                         "data.tokenizer=train:wordpiece:60", "model.dropout=0.0"};
  const auto with = [&](std::vector<std::string> keys) {
    keys.insert(keys.begin(), bert.begin(), bert.end());
    return keys;
  };
  run_.train("small-bert", with({"model.layers=2", "model.width=8", "model.heads=1",
                                 "progressive.stages=[{layers = 2}]"}));
  const double source_loss = run_.rows("small-bert", "eval").back().at("loss").get<double>();
  const std::string source = "model.from=" + (run_ / "small-bert").string();
  run_.train("wide", with({"model.layers=2", "progressive.stages=[{layers = 2}]", source}));
  EXPECT_NEAR(first_loss(run_, "wide"), source_loss, 1e-5);
  for (const char* method : {"bert2bert", "ligo"}) {
    run_.train(method,
               with({"model.layers=4", fmt::format("progressive.method={}", method),
                     "progressive.stages=[{layers = 4}]", source, "progressive.source_steps=3"}));
    EXPECT_EQ(run_.latest(method).state.model->num_layers(), 4);
  }
}

}  // namespace
}  // namespace apollo
