#include "progressive/resolve.h"

#include <gtest/gtest.h>

#include <fstream>

#include "config/toml_io.h"
#include "support/temp_dir.h"

namespace apollo {
namespace {

ResolvedConfig resolve_text(const std::string& text,
                            const std::vector<std::string>& overrides = {}) {
  const TempDir dir;
  std::ofstream(dir / "run.toml") << text;
  return resolve_run_config(dir / "run.toml", overrides);
}

std::string resolve_error(const std::string& text, const std::vector<std::string>& overrides = {}) {
  const TempDir dir;
  std::ofstream(dir / "run.toml") << text;
  try {
    resolve_run_config(dir / "run.toml", overrides);
  } catch (const ConfigError& error) {
    std::string message = error.what();
    const std::string folder = dir.path().string() + "/";
    for (size_t at; (at = message.find(folder)) != std::string::npos;) {
      message.erase(at, folder.size());
    }
    return message;
  }
  return "";
}

constexpr char kText[] = "[data]\ntrain = [\"a.txt\"]\n";

TEST(Resolve, MethodFillsWhatWasLeftOut) {
  const ResolvedConfig resolved =
      resolve_text(std::string(kText) + "[progressive]\nlayer_map = \"stack\"\n",
                   {"model.layers=4", "progressive.rehearse_from=0.8"});
  const RunConfig::Progressive& keys = resolved.config.progressive;
  EXPECT_EQ(keys.stages.size(), 3u);
  EXPECT_EQ(keys.layer_map, LayerMapKind::kStack);
  EXPECT_EQ(keys.rehearse_from, 0.8);
  EXPECT_EQ(resolved.origins.at("progressive.stages"), "method apollo");
  EXPECT_EQ(resolved.origins.at("progressive.rehearse_from"), "--set");
  EXPECT_FALSE(resolved.is_set("progressive.method"));
}

TEST(Resolve, ScratchIsDeepestThroughout) {
  const ResolvedConfig resolved = resolve_text(kText, {"progressive.method=scratch"});
  EXPECT_EQ(resolved.config.progressive.stages, (std::vector<StageSpec>{{12, std::nullopt}}));
  EXPECT_EQ(resolved.config.progressive.depth_sampler, DepthSamplerKind::kDeepest);
}

TEST(Resolve, ResolvedFileNeedsNoMethod) {
  const ResolvedConfig first = resolve_text(kText);
  const ResolvedConfig second = resolve_text(to_toml(first));
  EXPECT_EQ(second.config.progressive.stages, first.config.progressive.stages);
  EXPECT_NE(to_toml(first).find("# method apollo\n"), std::string::npos);
  EXPECT_EQ(to_toml(second).find("# method apollo\n"), std::string::npos);
}

TEST(Resolve, AllFaultsComeTogetherWithTheirPlaces) {
  EXPECT_EQ(resolve_error("[data]\ntrain = [\"a\"]\n[model]\nlayers = 6\n[train]\nlr = 0\n"
                          "duration = \"10 steps\"\nclip = \"x\"\n[progressive]\n"
                          "stages = [{layers = 3}, {layers = 2, until = \"20 steps\"},\n"
                          "  {layers = 12}]\n"),
            "run.toml:6:6: error: train.lr must be positive (got 0)\n"
            "run.toml:8:8: error: train.clip must be a number (got string 'x')\n"
            "run.toml:10:11: error: progressive.stages[0].until: every stage but the last needs an "
            "end\n"
            "  hint: for example until = \"10%\"\n"
            "run.toml:10:35: error: progressive.stages[1].layers: stages cannot shrink: the stage "
            "before has 3 layers (got 2)\n"
            "  hint: order the stages by their number of layers\n"
            "run.toml:10:46: error: progressive.stages[1].until: ends with or after the run, which "
            "lasts '10 steps' (got '20 steps')\n"
            "  hint: the last stage needs a part of the run for itself\n"
            "run.toml:11:13: error: progressive.stages[2].layers: a stage cannot have more layers "
            "than the model, 6 (got 12)\n"
            "  hint: raise model.layers or lower the stage");
}

TEST(Resolve, UnknownMethod) {
  EXPECT_EQ(resolve_error(std::string(kText) + "[progressive]\nmethod = \"appolo\"\n"),
            "run.toml:4:10: error: unknown method 'appolo': known are 'scratch', 'apollo', "
            "'stackbert', 'mslt', 'gstack', 'midas', "
            "'lidas', 'one_hop', 'raptr', 'identity'; did you mean 'apollo'?");
}

TEST(Resolve, StagesAreNotJudgedByUnreadableLayers) {
  EXPECT_EQ(resolve_error(std::string(kText) + "[model]\nlayers = \"6\"\n[progressive]\n"
                                               "stages = [{layers = 6}]\n"),
            "run.toml:4:10: error: model.layers must be an integer (got string '6')");
}

}  // namespace
}  // namespace apollo
