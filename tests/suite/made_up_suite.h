// A suite in its own folder, planned without data; no test here trains anything.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "base/file.h"
#include "suite/suite_plan.h"
#include "support/temp_dir.h"

namespace apollo {

inline constexpr const char* kSuiteBase = R"([run]
name = "base"
seed = 9
[data]
train = ["train.txt"]
tokenizer = "bytes"
[model]
layers = 6
width = 8
heads = 2
context = 16
[train]
duration = "40 steps"
batch_size = 2
micro_batch_size = 2
lr = 1e-3
[progressive]
method = "scratch"
[eval]
every = "50%"
)";

// Two runs, two seeds, two budgets; the rate of one run is tuned.
inline constexpr const char* kGrid = R"([suite]
name = "grid"
base = "run.toml"
seeds = [1, 2]
budgets = ["40 steps", "80 steps"]
baseline = "plain"
set = { "train.lr" = 2e-3, "model.context" = 32 }
[[run]]
name = "plain"
tune = { "train.lr" = [1e-3, 4e-3, 2e-3] }
[[run]]
name = "grown"
set = { "progressive.method" = "stackbert", "train.lr" = 8e-3 }
)";

class SuiteTest : public testing::Test {
 protected:
  void SetUp() override { write_file_atomic(dir_ / "run.toml", kSuiteBase); }

  SuiteFile read(const std::string& text) {
    write_file_atomic(dir_ / "suite.toml", text);
    return read_suite_file(dir_ / "suite.toml");
  }
  SuitePlan plan(const std::string& text) {
    return plan_suite(read(text), dir_ / "out", {.tokens = 1e5, .vocab_size = 257});
  }

  TempDir dir_;
};

}  // namespace apollo
