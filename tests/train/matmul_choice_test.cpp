// How the library of matrix products is chosen. No test asserts a time, nor which library won.
#include "train/matmul_choice.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/json_lines.h"
#include "config/objective.h"
#include "ops/onednn.h"
#include "tiny_run.h"

namespace apollo {
namespace {

RunConfig config_of(int64_t width, int64_t rows) {
  RunConfig config;
  config.model.layers = 3;
  config.model.width = width;
  config.model.heads = 2;
  config.model.context = 32;
  config.train.micro_batch_size = rows;
  return config;
}

TEST(MatmulChoice, AChallengerMustWinByFivePercent) {
  EXPECT_EQ(faster_library({.libtorch = 1.0, .onednn = 0.94}), MatmulLibrary::kOneDnn);
  EXPECT_EQ(faster_library({.libtorch = 1.0, .onednn = 0.96}), MatmulLibrary::kLibTorch);
  EXPECT_EQ(faster_library({.libtorch = 1.0, .onednn = 2.0}), MatmulLibrary::kLibTorch);
}

TEST(MatmulChoice, MeasuresTheProductsOfTheRunWithItsWeights) {
  const RunConfig config = config_of(64, 4);
  const auto products = measured_products(config, model_shape(config, 1000));
  // Queries, keys and values; the heads' projection; the MLP; the head. Attention is our own.
  const double expected[][4] = {{128, 64, 192, 3},
                                {128, 64, 64, 3},
                                {128, 64, 256, 3},
                                {128, 256, 64, 3},
                                {128, 64, 1000, 1}};
  ASSERT_EQ(products.size(), 5U);
  for (size_t i = 0; i < products.size(); ++i) {
    EXPECT_EQ(products[i].rows, expected[i][0]);
    EXPECT_EQ(products[i].inner, expected[i][1]);
    EXPECT_EQ(products[i].outer, expected[i][2]);
    EXPECT_EQ(products[i].weight, expected[i][3]);
  }
}

TEST(MatmulChoice, LargeProductsAreMeasuredWithFewerRowsAndTinyOnesNotAtAll) {
  const RunConfig large = config_of(1024, 64);
  for (const MeasuredProduct& product : measured_products(large, model_shape(large, 50000))) {
    EXPECT_GE(product.rows, 64);
    EXPECT_LT(product.rows, 64 * 32);
  }
  const RunConfig tiny = config_of(16, 2);
  EXPECT_TRUE(measured_products(tiny, model_shape(tiny, 257)).empty());
}

TEST(MatmulChoice, IsKeptInTheCache) {
  if (onednn() == nullptr) GTEST_SKIP() << "oneDNN (libdnnl-dev) is not installed";
  const TempDir dir;
  const std::filesystem::path cache = dir / "cache/matmul.json";
  const std::vector<MeasuredProduct> products = {{64, 32, 48}, {64, 48, 32, 2.0}};
  const auto first = known_times(products, cache);
  ASSERT_TRUE(first.has_value());
  EXPECT_GT(first->libtorch, 0.0);
  EXPECT_GT(first->onednn, 0.0);
  const auto again = known_times(products, cache);
  EXPECT_EQ(again->libtorch, first->libtorch);
  EXPECT_EQ(again->onednn, first->onednn);
  known_times({{64, 32, 40}}, cache);
  const Json kept = read_json(cache);
  EXPECT_EQ(kept.size(), 2U) << "other shapes are measured by themselves";
  for (const auto& [key, times] : kept.items())
    EXPECT_NE(key.find("oneDNN " + onednn()->version), std::string::npos) << key;
}

TEST(MatmulChoice, ADamagedCacheIsMeasuredAnew) {
  if (onednn() == nullptr) GTEST_SKIP() << "oneDNN (libdnnl-dev) is not installed";
  const TempDir dir;
  const std::filesystem::path cache = dir / "matmul.json";
  for (const char* text : {"", "{", "[1]", "null"}) {
    std::ofstream(cache) << text;
    EXPECT_TRUE(known_times({{64, 32, 48}}, cache).has_value());
    EXPECT_EQ(read_json(cache).size(), 1U);
    std::filesystem::remove(cache);
  }
}

TEST(MatmulChoice, ARunThatGoesOnKeepsItsLibrary) {
  set_log_level(LogLevel::kQuiet);
  EXPECT_EQ(library_of_state("LibTorch's BLAS"), MatmulLibrary::kLibTorch);
  EXPECT_EQ(library_of_state("oneDNN 0.0.1"),
            onednn() != nullptr ? MatmulLibrary::kOneDnn : MatmulLibrary::kLibTorch);
}

// A folder for the user's caches, for as long as it lives.
class CacheHome {
 public:
  CacheHome() { setenv("XDG_CACHE_HOME", dir_.path().c_str(), 1); }
  ~CacheHome() { unsetenv("XDG_CACHE_HOME"); }

  // Says of everything that was measured how long it took.
  void pretend(double libtorch, double onednn) const {
    Json cache = read_json(user_cache_dir() / "matmul.json");
    for (auto& [key, times] : cache.items())
      times = {{"libtorch", libtorch}, {"onednn", onednn}};
    write_file_atomic(user_cache_dir() / "matmul.json", cache.dump());
  }

 private:
  TempDir dir_;
};

TEST(MatmulChoice, TheCacheDecidesAtTheStartAndTheStateFromThenOn) {
  if (onednn() == nullptr) GTEST_SKIP() << "oneDNN (libdnnl-dev) is not installed";
  if (!test_device().is_cpu()) GTEST_SKIP() << "a choice of CPUs";
  const CacheHome home;
  const TinyRun run;
  const std::vector<std::string> overrides = {
      "model.width=64",         "model.layers=2",          "progressive.stages=[{layers=2}]",
      "model.context=64",       "train.batch_size=4",      "train.micro_batch_size=4",
      "train.duration=4 steps", "checkpoint.every=2 steps"};
  run.open("measured", overrides);
  for (const bool by_onednn : {false, true}) {
    const std::string name = by_onednn ? "onednn" : "libtorch";
    SCOPED_TRACE(name);
    home.pretend(1.0, by_onednn ? 0.5 : 2.0);
    run.train(name, overrides);
    const std::string used = run.rows(name, "start").at(0).at("matmul");
    EXPECT_EQ(used, by_onednn ? "oneDNN " + onednn()->version : "LibTorch's BLAS");
    EXPECT_EQ(run.latest(name).info.matmul, used);
    home.pretend(1.0, by_onednn ? 2.0 : 0.5);
    replace_link(run / name / "checkpoints/latest", "step-00000002");
    const double last = run.rows(name, "step").back().at("loss");
    Trainer trainer(run.open(name, overrides));
    EXPECT_EQ(trainer.opened().identity.matmul, used);
    trainer.run();
    EXPECT_EQ(run.rows(name, "step").back().at("loss").get<double>(), last);
  }
}

}  // namespace
}  // namespace apollo
