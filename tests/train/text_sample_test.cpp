// A sample of text at every evaluation: beside the run, never in it.
#include "base/file.h"
#include "support/thrown_text.h"
#include "tiny_run.h"

namespace apollo {
namespace {

class TextSampleTest : public testing::Test {
 protected:
  std::string error_of(const std::vector<std::string>& overrides) const {
    return thrown_text<ConfigError>([&] { run_.train("out", overrides); });
  }
  // The rows without what differs from machine to machine.
  std::vector<Json> samples(const std::string& name) const {
    std::vector<Json> rows = run_.rows(name, "sample");
    for (Json& row : rows)
      row.erase("wall_s");
    return rows;
  }

  const std::vector<std::string> kSampled = {"eval.sample=\"the \"", "eval.sample_tokens=20",
                                             "checkpoint.every=1 steps", "checkpoint.keep=99"};
  TinyRun run_;
};

TEST_F(TextSampleTest, StandsBesideEveryEvaluationAndChangesNoNumber) {
  run_.train("sampled", kSampled);
  run_.train("plain", {"checkpoint.every=1 steps"});
  expect_equal_states(run_.latest("sampled").state, run_.latest("plain").state);
  std::vector<int64_t> steps;
  for (const Json& row : samples("sampled")) {
    steps.push_back(row.at("step"));
    EXPECT_EQ(row.at("depth"), 12);
    EXPECT_EQ(row.at("prompt"), "the ");
    EXPECT_FALSE(row.at("text").get<std::string>().empty());
  }
  EXPECT_EQ(steps, (std::vector<int64_t>{0, 4, 8, 12}));
  EXPECT_TRUE(samples("plain").empty());
}

TEST_F(TextSampleTest, IsTheSameAfterAKill) {
  run_.train("out", kSampled);
  const std::vector<Json> whole = samples("out");
  ASSERT_NE(whole.front().at("text"), whole.back().at("text")) << "training is to be seen";
  replace_link(run_ / "out/checkpoints/latest", "step-00000003");
  run_.train("out", kSampled);
  EXPECT_EQ(samples("out"), whole);
}

TEST_F(TextSampleTest, NeedsACausalModelAndAPromptOfItsTokens) {
  EXPECT_EQ(
      error_of({"eval.sample=x", "model.architecture=bert", "data.tokenizer=train:wordpiece:60"}),
      "--set: error: eval.sample: a masked model (bert) fills gaps and does not "
      "write on\n  hint: leave eval.sample out, or train a causal model");
  EXPECT_EQ(error_of({"eval.sample=\" \"", "data.tokenizer=train:wordpiece:60"}),
            "eval.sample: error: the prompt ' ' holds nothing that the tokenizer knows");
}

// A first stage without layers has nothing to say.
TEST_F(TextSampleTest, WaitsForLayers) {
  run_.train("out", {"eval.sample=a", "progressive.new_layers=random",
                     "progressive.stages=[{layers=0, until=\"6 steps\"}, {layers=12}]"});
  EXPECT_EQ(samples("out").front().at("step"), 8);
}

}  // namespace
}  // namespace apollo
