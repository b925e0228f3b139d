#include "suite/suite_file.h"

#include "base/error.h"
#include "suite/made_up_suite.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

using SuiteFileTest = SuiteTest;

TEST_F(SuiteFileTest, KeepsWhatItSays) {
  const SuiteFile file = read(kGrid);
  EXPECT_EQ(file.name, "grid");
  EXPECT_EQ(file.seeds, (std::vector<uint64_t>{1, 2}));
  ASSERT_EQ(file.budgets.size(), 2u);
  EXPECT_EQ(to_string(file.budgets[1]), "80 steps");
  EXPECT_EQ(file.baseline, "plain");
  ASSERT_EQ(file.settings.size(), 2u);
  EXPECT_EQ(file.settings[0].text(), "model.context=32");  // in the order of their names
  EXPECT_EQ(file.settings[1].text(), "train.lr=0.002");
  ASSERT_EQ(file.models.size(), 1u);
  EXPECT_EQ(file.models[0].name, "");
  EXPECT_EQ(file.models[0].base, dir_ / "run.toml");
  ASSERT_EQ(file.runs.size(), 2u);
  ASSERT_TRUE(file.runs[0].tune);
  EXPECT_EQ((*file.runs[0].tune)[0].values.size(), 3u);
  EXPECT_FALSE(file.runs[1].tune);
}

TEST_F(SuiteFileTest, TheBaselineIsTheFirstRunUnlessNamed) {
  const SuiteFile file = read(
      "[suite]\nbase = \"run.toml\"\n[[run]]\nname = \"a\"\nset = { \"progressive.method\" = "
      "\"apollo\" }\n[[run]]\nname = \"b\"\nset = { \"progressive.method\" = \"scratch\" }\n");
  EXPECT_EQ(file.baseline, "a");
}

TEST_F(SuiteFileTest, PointsAtTheLineOfAFault) {
  EXPECT_EQ(thrown_text<ConfigError>([&] {
              read("[suite]\nbase = \"run.toml\"\njobs = 0\n[[run]]\nname = \"a\"\nsed = 1\n");
            }),
            (dir_ / "suite.toml").string() + ":3:8: error: jobs must be at least 1 (got 0)\n" +
                (dir_ / "suite.toml").string() +
                ":6:1: error: unknown key 'sed' in [[run]]\n  hint: did you mean 'set'?");
}

}  // namespace
}  // namespace apollo
