// Loss and gradient norm of every step of short runs with growth, shared depth, dropout and two
// micro-batches, compared with committed numbers, so that no change of numerics goes unnoticed.
// After an intended change this command rewrites the files, and the commit shows old and new:
//
//   APOLLO_REWRITE_GOLDEN=1 build/train_tests --gtest_filter='*Golden*'
#include <cstdlib>
#include <fstream>

#include "tiny_run.h"

namespace apollo {
namespace {

struct GoldenRow {
  int64_t step = 0;
  double loss = 0.0;
  double grad_norm = 0.0;
};

struct GoldenRun {
  const char* architecture;
  const char* method;
  const char* optimizer = "adamw";
};

std::filesystem::path golden_file(const GoldenRun& run) {
  return std::filesystem::path(APOLLO_SOURCE_DIR) / "tests/golden" /
         fmt::format(
             "{}-{}{}.txt", run.architecture, run.method,
             std::string(run.optimizer) == "adamw" ? "" : fmt::format("-{}", run.optimizer));
}

std::vector<GoldenRow> train_rows(const GoldenRun& golden, const char* kernels) {
  const TinyRun run;
  std::vector<std::string> overrides = {
      std::string("model.architecture=") + golden.architecture,
      std::string("progressive.method=") + golden.method,
      std::string("train.optimizer=") + golden.optimizer,
      std::string("run.kernels=") + kernels,
      "data.tokenizer=train:wordpiece:60",
      "train.duration=50 steps",
      "train.lr=3e-3",
      "eval.every=0 steps",
      "checkpoint.every=0 steps",
      "progressive.stages=[{layers=1,until=\"20%\"},{layers=3,until=\"40%\"},"
      "{layers=6,until=\"70%\"},{layers=12}]"};
  // Sizes that gpt2 and bert have not, and for one a tied and for one an untied output layer.
  if (describe(*find_enum<Architecture>(golden.architecture)).groups_queries) {
    overrides.insert(overrides.end(), {"model.kv_heads=1", "model.head_dim=6",
                                       "model.inner_width=40", "model.rope_theta=500.0"});
  }
  // Windows that do not see the whole of 16 positions.
  if (describe(*find_enum<Architecture>(golden.architecture)).local.window > 0)
    overrides.emplace_back("model.local_attention=6");
  run.train("out", overrides);
  std::vector<GoldenRow> rows;
  for (const Json& row : run.rows("out", "step"))
    rows.push_back({row.at("step"), row.at("loss"), row.at("grad_norm")});
  return rows;
}

std::vector<GoldenRow> read_rows(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<GoldenRow> rows;
  for (GoldenRow row; file >> row.step >> row.loss >> row.grad_norm;)
    rows.push_back(row);
  return rows;
}

void write_rows(const std::filesystem::path& path, const std::vector<GoldenRow>& rows) {
  std::ofstream file(path);
  for (const GoldenRow& row : rows)
    file << fmt::format("{} {:.7f} {:.7f}\n", row.step, row.loss, row.grad_norm);
}

void expect_near(const std::vector<GoldenRow>& found, const std::vector<GoldenRow>& expected,
                 double tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].step, expected[i].step);
    EXPECT_NEAR(found[i].loss, expected[i].loss, tolerance) << "step " << found[i].step;
    EXPECT_NEAR(found[i].grad_norm, expected[i].grad_norm, tolerance) << "step " << found[i].step;
  }
}

class Golden : public testing::TestWithParam<GoldenRun> {};

TEST_P(Golden, StepsAreThoseOfTheFile) {
  if (!test_device().is_cpu()) GTEST_SKIP() << "a GPU draws other dropout";
  const std::vector<GoldenRow> reference = train_rows(GetParam(), "reference");
  ASSERT_EQ(reference.size(), 50U);
  if (std::getenv("APOLLO_REWRITE_GOLDEN") != nullptr)
    write_rows(golden_file(GetParam()), reference);
  const std::vector<GoldenRow> expected = read_rows(golden_file(GetParam()));
  expect_near(reference, expected, 1e-5);
  expect_near(train_rows(GetParam(), "fused"), expected, 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Runs, Golden,
                         testing::Values(GoldenRun{"gpt2", "apollo"}, GoldenRun{"gpt2", "apollo+"},
                                         GoldenRun{"bert", "apollo"}, GoldenRun{"bert", "apollo+"},
                                         GoldenRun{"gpt2", "apollo", "muon"},
                                         GoldenRun{"bert", "apollo+", "muon"},
                                         GoldenRun{"llama", "apollo"}, GoldenRun{"qwen3", "apollo"},
                                         GoldenRun{"modernbert", "apollo"},
                                         GoldenRun{"modernbert", "apollo+", "muon"}),
                         [](const auto& test) {
                           return std::string(test.param.architecture) +
                                  (std::string(test.param.method) == "apollo" ? "" : "Plus") +
                                  (std::string(test.param.optimizer) == "muon" ? "Muon" : "");
                         });

}  // namespace
}  // namespace apollo
