// Tests the recipes of recipes/finetune with the example data for which they are written.
#include <gtest/gtest.h>

#include <cstdlib>

#include "finetune/task_data.h"
#include "support/python_original.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

struct Recipe {
  const char* name;
  const char* folder;
  int64_t num_train;
  int64_t num_dev;
  int64_t num_test;
  size_t num_labels;
};

const Recipe kRecipes[] = {{"sst2", "SST-2", 67349, 872, 1821, 2},
                           {"cola", "CoLA", 8551, 1043, 0, 2},
                           {"rte", "RTE", 2490, 277, 3000, 2},
                           {"mrpc", "MRPC", 4076, 1725, 0, 2},
                           {"stsb", "STS-B", 5749, 1500, 1379, 0}};

fs::path recipe_path(const Recipe& recipe) {
  return fs::path(APOLLO_SOURCE_DIR "/recipes/finetune") / (std::string(recipe.name) + ".toml");
}

TEST(FinetuneRecipes, AllOfThemLoad) {
  for (const Recipe& recipe : kRecipes)
    EXPECT_EQ(load_task(recipe_path(recipe), {}).config.task.name, recipe.name);
}

TEST(FinetuneRecipes, FindTheRowsOfGlue) {
  const fs::path archive = example_data() / "eval/glue.tar.xz";
  if (!fs::exists(archive)) GTEST_SKIP() << archive << " is absent";
  const TempDir dir;
  const std::string unpack = "tar -xJf '" + archive.string() + "' -C '" + dir.path().string() + "'";
  ASSERT_EQ(std::system(unpack.c_str()), 0);
  for (const Recipe& recipe : kRecipes) {
    const TaskData data = load_task_data(load_task(
        recipe_path(recipe), {"task.base_dir=" + (dir.path() / "glue" / recipe.folder).string()}));
    EXPECT_EQ(data.train.size(), recipe.num_train) << recipe.name;
    EXPECT_EQ(data.dev.size(), recipe.num_dev) << recipe.name;
    EXPECT_EQ(data.test.size(), recipe.num_test) << recipe.name;
    EXPECT_EQ(data.labels.size(), recipe.num_labels) << recipe.name;
  }
}

}  // namespace
}  // namespace apollo
