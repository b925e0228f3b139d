// How the library of matrix products is chosen. No test asserts a time, nor which library won.
#include "train/matmul_choice.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "base/json_lines.h"
#include "ops/onednn.h"
#include "tiny_run.h"

namespace apollo {
namespace {

TEST(MatmulChoice, AChallengerMustWinByFivePercent) {
  EXPECT_EQ(faster_library({.libtorch = 1.0, .onednn = 0.94}), MatmulLibrary::kOneDnn);
  EXPECT_EQ(faster_library({.libtorch = 1.0, .onednn = 0.96}), MatmulLibrary::kLibTorch);
  EXPECT_EQ(faster_library({.libtorch = 1.0, .onednn = 2.0}), MatmulLibrary::kLibTorch);
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

  // Stores the same time for everything that was measured.
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
    auto opened = run.open(name, overrides);
    EXPECT_EQ(opened.identity.matmul, used);
    Trainer(std::move(opened)).run();
    EXPECT_EQ(run.rows(name, "step").back().at("loss").get<double>(), last);
  }
}

}  // namespace
}  // namespace apollo
