#include "progressive/resolve.h"

#include <gtest/gtest.h>

#include <fstream>

#include "config/fields.h"
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

// A method loops over all layers, which would never end.
TEST(Resolve, MoreLayersThanAnyoneMeansAreRefusedBeforeTheMethod) {
  EXPECT_EQ(resolve_error(kText, {"model.layers=9223372036854775807"}),
            "--set: error: model.layers must be at most 10000 (got 9223372036854775807)");
}

TEST(Resolve, StagesOfAMethodAreSharesOfTheStepsOrOfTheHours) {
  const auto end = [](const std::string& duration) {
    return resolve_text(kText, {"train.duration=" + duration})
        .config.progressive.stages.front()
        .until;
  };
  EXPECT_EQ(end("1e15 flops"), (Duration{5.0, DurationUnit::kPercentSteps}));
  EXPECT_EQ(end("2 hours"), (Duration{5.0, DurationUnit::kPercent}));
  EXPECT_EQ(end("3 minutes"), (Duration{5.0, DurationUnit::kPercent}));
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
  EXPECT_EQ(
      resolve_error(std::string(kText) + "[progressive]\nmethod = \"appolo\"\n"),
      "run.toml:4:10: error: unknown method 'appolo': known are 'scratch', 'apollo', 'apollo+', "
      "'stackbert', 'mslt', 'gstack', 'midas', "
      "'lidas', 'one_hop', 'raptr', 'identity', 'bert2bert', "
      "'ligo'; did you mean 'apollo'?");
}

TEST(Resolve, StagesAreNotJudgedByUnreadableLayers) {
  EXPECT_EQ(resolve_error(std::string(kText) + "[model]\nlayers = \"6\"\n[progressive]\n"
                                               "stages = [{layers = 6}]\n"),
            "run.toml:4:10: error: model.layers must be an integer (got string '6')");
}

TEST(Resolve, AMethodFillsItsKeysOfTraining) {
  const ResolvedConfig resolved = resolve_text(kText, {"progressive.method=one_hop"});
  EXPECT_EQ(resolved.config.train.lr_schedule, LrSchedule::kWsd);
  EXPECT_EQ(resolved.config.train.decay, (Duration{10.0, DurationUnit::kPercent}));
  EXPECT_EQ(resolved.origins.at("train.lr_schedule"), "method one_hop");
  EXPECT_FALSE(resolved.is_set("train.lr"));
  const ResolvedConfig set =
      resolve_text(kText, {"progressive.method=one_hop", "train.lr_schedule=cosine"});
  EXPECT_EQ(set.config.train.lr_schedule, LrSchedule::kCosine);
  EXPECT_EQ(set.origins.at("train.lr_schedule"), "--set");
  EXPECT_FALSE(resolve_text(kText).is_set("train.lr_schedule"));
}

TEST(Resolve, AMethodThatTheModelIsTooShallowFor) {
  EXPECT_EQ(resolve_error(std::string(kText) + "[model]\nlayers = 1\n[progressive]\n"
                                               "method = \"gstack\"\n"),
            "run.toml:6:10: error: method 'gstack' needs a model of at least 2 layers (got 1)");
}

TEST(Resolve, KeysThatDoNotGoTogether) {
  const std::string text = std::string(kText) + "[progressive]\n";
  EXPECT_EQ(resolve_error(text + "layer_map = \"middle\"\n"
                                 "stages = [{layers = 6, until = \"5%\"}, {layers = 12}]\n"),
            "progressive.depth_sampler: error: 'lvps' makes passes share layers, for which "
            "layer_map must be 'interpolate' or 'stack' (got 'middle')\n"
            "  hint: depth_sampler = \"shallowest\" shares none");
  EXPECT_EQ(resolve_error(text + "method = \"midas\"\n"
                                 "stages = [{layers = 4, until = \"5%\"}, {layers = 12}]\n"),
            "run.toml:5:49: error: progressive.stages[1].layers: cannot grow 4 layers to 12 by a "
            "copy of the middle block: its 8 layers must divide 4\n"
            "  hint: other numbers of layers, or layer_map = \"interpolate\" or \"stack\"");
  EXPECT_EQ(resolve_error(text + "trains = \"new\"\n"),
            "run.toml:4:10: error: progressive.trains: 'new' needs new layers above all others and "
            "no sharing: layer_map 'stack' and depth_sampler 'shallowest' (got 'interpolate' and "
            "'lvps')");
}

TEST(Resolve, StagesOfSubnetworksAndOfNoLayers) {
  const std::string text = std::string(kText) + "[progressive]\nmethod = \"raptr\"\n";
  const auto stage = [](const std::string& first) {
    return "stages = [{" + first + ", until = \"5%\"}, {layers = 12}]\n";
  };
  EXPECT_EQ(resolve_error(text + stage("layers = 12, depth = 5")), "");
  EXPECT_EQ(resolve_error(text + stage("layers = 12, depth = 13")),
            "run.toml:5:33: error: progressive.stages[0].depth: a subnetwork has at least the "
            "first and the last and at most all 12 layers of its stage (got 13)");
  EXPECT_EQ(
      resolve_error(text + "depth_sampler = \"lvps\"\n" + stage("layers = 12, depth = 5")),
      "run.toml:6:33: error: progressive.stages[0].depth: subnetworks share no layers: they need "
      "depth_sampler 'shallowest' (got 'lvps')");
  EXPECT_EQ(resolve_error(text + "layer_map = \"stack\"\ntrains = \"new\"\n" +
                          stage("layers = 12, depth = 5")),
            "run.toml:7:33: error: progressive.stages[0].depth: subnetworks train all of their "
            "layers: they need trains 'all'");
  EXPECT_EQ(resolve_error(text + stage("layers = 0")),
            "run.toml:5:21: error: progressive.stages[0].layers: a stage needs at least one layer "
            "(got 0)\n  hint: with new_layers = \"random\" a run can begin with none");
  EXPECT_EQ(resolve_error(text + "new_layers = \"random\"\n" + stage("layers = 0")), "");
}

const std::string kSized = std::string(kText) + "tokenizer = \"train:bpe:8192\"\n[model]\n";

TEST(Resolve, OneSizeSetsTheModelTheBatchAndTheRate) {
  const ResolvedConfig resolved = resolve_text(kSized + "size = \"11M\"\n");
  const RunConfig& config = resolved.config;
  EXPECT_EQ(config.model.layers, 7);
  EXPECT_EQ(config.model.width, 320);
  EXPECT_EQ(config.model.heads, 5);
  EXPECT_EQ(config.train.batch_size, 64);
  EXPECT_EQ(config.train.lr, 0.256 / 320);
  for (const char* key :
       {"model.layers", "model.width", "model.heads", "train.batch_size", "train.lr"})
    EXPECT_EQ(resolved.origins.at(key), "model.size") << key;
  EXPECT_EQ(config.progressive.stages.back().layers, 7) << "the method divides what the size chose";
  // What was resolved says the same when it is resolved again.
  const ResolvedConfig again = resolve_text(to_toml(resolved));
  EXPECT_EQ(to_toml(again).find("method apollo"), std::string::npos);
  visit_fields(
      [](const Field& field, const auto& a, const auto& b) { EXPECT_EQ(a, b) << field.path(); },
      resolved.config, again.config);
}

TEST(Resolve, KeysThatAreSetWinOverTheSize) {
  const RunConfig config =
      resolve_text(kSized + "size = \"11M\"\nlayers = 12\n[train]\nlr = 0.5\nbatch_size = 3\n")
          .config;
  EXPECT_EQ(config.model.layers, 12);
  EXPECT_EQ(config.model.width, 256);
  EXPECT_EQ(config.train.lr, 0.5);
  EXPECT_EQ(config.train.batch_size, 3);
  EXPECT_EQ(resolve_text(kSized + "size = \"11M\"\nwidth = 256\n").config.model.layers, 11);
}

TEST(Resolve, SizesThatCannotBe) {
  EXPECT_EQ(resolve_error(kSized + "size = \"11M\"\nlayers = 2\nwidth = 64\n"),
            "run.toml:5:8: error: model.size leaves nothing to choose: model.layers, model.width "
            "are set, and 2 layers of width 64 with a vocabulary of 8192 have 641k parameters (got "
            "'11M')\n  hint: remove model.size, or one of the others");
  EXPECT_EQ(resolve_error(kSized + "size = \"9M\"\nwidth = 512\n"),
            "run.toml:5:8: error: no model of this size is possible with model.width as set; the "
            "nearest: 2 layers of width 512 with a vocabulary of 8192 have 10.6M parameters (got "
            "'9M')\n  hint: model.size = \"10.6M\", or set fewer keys");
  EXPECT_EQ(resolve_error(kSized + "size = \"100k\"\n"),
            "run.toml:5:8: error: no model of this size is possible; the nearest: 2 layers of "
            "width 32 with a vocabulary of 8192 have 296k parameters (got '100k')\n"
            "  hint: model.size = \"296k\", or a smaller vocabulary");
  EXPECT_EQ(resolve_error(kSized + "size = \"big\"\n"),
            "run.toml:5:8: error: model.size must be a number of parameters up to 1000B, with k, M "
            "or B for thousands, millions and billions (got 'big')\n"
            "  hint: for example model.size = \"11M\"");
  EXPECT_EQ(resolve_error(kSized + "size = 11000000\n"),
            "run.toml:5:8: error: model.size must be a string (got integer 11000000)\n"
            "  hint: put it in quotes");
  EXPECT_EQ(resolve_error(kSized + "size = \"11M\"\nfrom = \"gpt2\"\n"),
            "run.toml:5:8: error: model.size and model.from exclude each other: the model's sizes "
            "are those of the one that it begins with\n  hint: remove one of them");
  EXPECT_EQ(resolve_error(kSized + "size = \"11M\"\n", {"data.tokenizer="}),
            "run.toml:5:8: error: model.size needs the size of the vocabulary, and data.tokenizer "
            "is empty\n  hint: model.vocab_size = N, or a tokenizer that is there");
  EXPECT_EQ(resolve_error(kSized + "size = \"11M\"\n", {"data.tokenizer=", "model.vocab_size=300"}),
            "");
  EXPECT_NE(
      resolve_error(kSized + "size = \"11M\"\n", {"data.tokenizer=nowhere"})
          .find("model.size needs the size of the vocabulary, and the tokenizer cannot be read"),
      std::string::npos);
}

}  // namespace
}  // namespace apollo
