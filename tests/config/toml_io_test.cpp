#include "config/toml_io.h"

#include <gtest/gtest.h>

#include "config/fields.h"
#include "config/load_helpers.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

constexpr char kDesignExample[] = R"(
[run]
name = "demo"
seed = 7
device = "cuda:1"
threads = 2
kernels = "reference"
[data]
train = ["text/*.txt"]
valid = ["valid.txt"]
tokenizer = "train:bpe:8192"
[model]
architecture = "gpt2"
layers = 6
width = 64
heads = 4
context = 128
dropout = 0.1
[train]
duration = "3 epochs"
batch_size = 32
micro_batch_size = 16
lr = 3e-4
lr_schedule = "wsd"
lr_axis = "flops"
warmup = "100 steps"
weight_decay = 0
betas = [0.8, 0.9]
clip = 0.5
precision = "bf16"
[progressive]
method = "apollo"
stages = [{layers = 2, until = "5%"}, {layers = 6}]
layer_map = "stack"
depth_sampler = "uniform"
depth_draw = "micro_batch"
rehearse_from = 0.8
optimizer_state = "reset"
[eval]
every = "1e15 flops"
depths = ["full"]
[checkpoint]
every = "500 steps"
keep = 3
)";

TEST(TomlIo, ReadsEveryKeyOfTheDesign) {
  const RunConfig config = load_text(kDesignExample).config;
  EXPECT_EQ(config.run.name, "demo");
  EXPECT_EQ(config.run.seed, 7u);
  EXPECT_EQ(config.run.device, "cuda:1");
  EXPECT_EQ(config.run.kernels, Kernels::kReference);
  EXPECT_EQ(config.data.train, std::vector<std::string>{"text/*.txt"});
  EXPECT_EQ(config.data.tokenizer, "train:bpe:8192");
  EXPECT_EQ(config.model.layers, 6);
  EXPECT_EQ(config.model.dropout, 0.1);
  EXPECT_EQ(config.train.duration, (Duration{3, DurationUnit::kEpochs}));
  EXPECT_EQ(config.train.lr, 3e-4);
  EXPECT_EQ(config.train.lr_schedule, LrSchedule::kWsd);
  EXPECT_EQ(config.train.lr_axis, LrAxis::kFlops);
  EXPECT_EQ(config.train.warmup, (Duration{100, DurationUnit::kSteps}));
  EXPECT_EQ(config.train.weight_decay, 0.0);
  EXPECT_EQ(config.train.betas, (std::vector<double>{0.8, 0.9}));
  EXPECT_EQ(config.train.precision, Precision::kBf16);
  EXPECT_EQ(config.progressive.stages,
            (std::vector<StageSpec>{{2, Duration{5, DurationUnit::kPercent}}, {6, std::nullopt}}));
  EXPECT_EQ(config.progressive.layer_map, LayerMapKind::kStack);
  EXPECT_EQ(config.progressive.depth_draw, DepthDraw::kMicroBatch);
  EXPECT_EQ(config.progressive.optimizer_state, OptimizerStateRule::kReset);
  EXPECT_EQ(config.eval.every, (Duration{1e15, DurationUnit::kFlops}));
  EXPECT_EQ(config.eval.depths, std::vector<EvalDepth>{EvalDepth::kFull});
  EXPECT_EQ(config.checkpoint.keep, 3);
}

TEST(TomlIo, KnowsWhereEveryValueCameFrom) {
  const ResolvedConfig resolved = load_text(
      "[data]\ntrain = \"a.txt\"\n[progressive]\nstages = [{layers = 12}]\n", {"train.lr=1e-2"});
  const auto origin = [&](const char* path) {
    const std::string text = resolved.origins.at(path);
    return text.substr(text.find_last_of('/') + 1);
  };
  EXPECT_EQ(origin("data.train"), "run.toml:2:9");
  EXPECT_EQ(origin("progressive.stages"), "run.toml:4:10");
  EXPECT_EQ(origin("progressive.stages[0].layers"), "run.toml:4:21");
  EXPECT_EQ(origin("train.lr"), "--set");
  EXPECT_FALSE(resolved.is_set("train.clip"));
  EXPECT_EQ(resolved.config.data.train, std::vector<std::string>{"a.txt"});
}

TEST(TomlIo, PathsStartAtTheFile) {
  const TempDir dir;
  write_text(dir / "run.toml", "[data]\ntrain = [\"a.txt\"]\n");
  EXPECT_EQ(load_run_config(dir / "run.toml").base_dir, dir.path());
  EXPECT_EQ(load_run_config(dir.path() / "." / "run.toml").base_dir.string(), dir.path().string());
  EXPECT_EQ(load_run_config(dir / "run.toml", {"data.base_dir=texts"}).base_dir, dir / "texts");
  EXPECT_EQ(load_run_config(dir / "run.toml", {"data.base_dir=/srv"}).base_dir, "/srv");
}

TEST(TomlIo, TextIsASourceToo) {
  const ResolvedConfig resolved = load_run_config({"my config", kDesignExample});
  EXPECT_EQ(resolved.base_dir, std::filesystem::current_path());
  EXPECT_TRUE(resolved.origins.at("train.lr").starts_with("my config:"));
  EXPECT_EQ(thrown_text<ConfigError>([] {
              load_run_config({"my config", "[data]\ntrain = [\"a.txt\"]\n[train]\nlrr = 1.0\n"});
            }),
            "my config:4:1: error: unknown key 'lrr' in [train]\n  hint: did you mean 'lr'?");
}

TEST(TomlIo, ResolvedFileReadsBackAsTheSameConfigAnywhere) {
  const ResolvedConfig first = load_text(kDesignExample, {"train.epsilon=1e-7", "train.lr=0.0003"});
  const std::string text = to_toml(first);
  const ResolvedConfig second = load_text(text);  // in another folder
  EXPECT_EQ(second.base_dir, first.base_dir);
  visit_fields(
      [](const Field& field, const auto& before, const auto& after) {
        EXPECT_EQ(toml_text(before), toml_text(after)) << field.path();
        EXPECT_EQ(before, after) << field.path();
      },
      first.config, second.config);
  EXPECT_NE(text.find("lr = 0.0003                          # --set\n"), std::string::npos) << text;
  EXPECT_NE(text.find("lr_final = 0.0                       # default\n"), std::string::npos);
  EXPECT_NE(text.find("run.toml:3:8\n"), std::string::npos);
}

TEST(TomlIo, OverridesAreTomlOrBareText) {
  const ResolvedConfig resolved =
      load_text("[data]\ntrain = [\"a.txt\"]\n[model]\nlayers = 12\n",
                {"model.layers=4", "run.name=123", "run.device=cpu", "train.duration=3 epochs",
                 "train.lr_schedule='linear'", "data.train=b.txt", "eval.depths=full",
                 "progressive.stages=[{layers=1, until=\"50%\"}, {layers=4}]",
                 "train.betas=[0.5, 0]", "train.lr=1", "train.lr=2"});
  EXPECT_EQ(resolved.config.model.layers, 4);
  EXPECT_EQ(resolved.config.run.name, "123");
  EXPECT_EQ(resolved.config.run.device, "cpu");
  EXPECT_EQ(resolved.config.train.duration, (Duration{3, DurationUnit::kEpochs}));
  EXPECT_EQ(resolved.config.train.lr_schedule, LrSchedule::kLinear);
  EXPECT_EQ(resolved.config.data.train, std::vector<std::string>{"b.txt"});
  EXPECT_EQ(resolved.config.eval.depths, std::vector<EvalDepth>{EvalDepth::kFull});
  EXPECT_EQ(resolved.config.progressive.stages.size(), 2u);
  EXPECT_EQ(resolved.config.train.betas, (std::vector<double>{0.5, 0.0}));
  EXPECT_EQ(resolved.config.train.lr, 2.0);
}

TEST(TomlIo, UnknownNamesNameTheNearest) {
  EXPECT_EQ(load_error("lr = 1\n[trian]\n[model]\nlayer = 3\nbatch_size = 2\nzzz = 1\n"
                       "[data]\ntrain = [\"a\"]\n[weights]\n[run.extra]\na = 1\n"),
            "run.toml:1:1: error: unknown key 'lr' outside a section\n"
            "  hint: 'lr' is a key of [train]\n"
            "run.toml:2:2: error: unknown section [trian]\n"
            "  hint: did you mean 'train'?\n"
            "run.toml:4:1: error: unknown key 'layer' in [model]\n"
            "  hint: did you mean 'layers'?\n"
            "run.toml:5:1: error: unknown key 'batch_size' in [model]\n"
            "  hint: 'batch_size' is a key of [train], [eval]\n"
            "run.toml:6:1: error: unknown key 'zzz' in [model]\n"
            "run.toml:9:2: error: unknown section [weights]\n"
            "run.toml:10:6: error: unknown key 'extra' in [run]");
}

TEST(TomlIo, WrongTypesSayWhatWasExpectedAndFound) {
  EXPECT_EQ(
      load_error(
          "[run]\nname = 3\nseed = -1\nkernels = \"fusd\"\n"
          "[data]\ntrain = [1, \"a\"]\nvalid = 1979-05-27\n"
          "[model]\nlayers = 12.0\nwidth = \"wide\"\ndropout = true\n"
          "[train]\nduration = 3\nwarmup = \"5 parsecs\"\nlr = inf\nbetas = {a = 1}\n"
          "[progressive]\nstages = [{layers = \"3\", untill = \"5%\"}, 4, {until = \"5%\"}]\n"
          "[eval]\ndepths = [\"half\"]\n"),
      "run.toml:2:8: error: run.name must be a string (got integer 3)\n"
      "  hint: put it in quotes\n"
      "run.toml:3:8: error: run.seed must be an integer of at least 0 (got integer -1)\n"
      "run.toml:4:11: error: run.kernels must be one of 'fused', 'reference' (got string 'fusd')\n"
      "  hint: did you mean 'fused'?\n"
      "run.toml:6:10: error: data.train[0] must be a string (got integer 1)\n"
      "  hint: put it in quotes\n"
      "run.toml:7:9: error: data.valid must be a string (got a date or time)\n"
      "  hint: put it in quotes\n"
      "run.toml:9:10: error: model.layers must be an integer (got number 12)\n"
      "  hint: write 12\n"
      "run.toml:10:9: error: model.width must be an integer (got string 'wide')\n"
      "run.toml:11:11: error: model.dropout must be a number (got boolean true)\n"
      "run.toml:13:12: error: train.duration must be a length such as \"3 epochs\" (got integer "
      "3)\n"
      "  hint: write it in quotes, with its unit: steps, tokens, epochs, flops, hours or %\n"
      "run.toml:14:10: error: train.warmup must be a length such as \"3 epochs\" (got string '5 "
      "parsecs')\n"
      "  hint: write it in quotes, with its unit: steps, tokens, epochs, flops, hours or %\n"
      "run.toml:15:6: error: train.lr must be a finite number (got number inf)\n"
      "run.toml:16:9: error: train.betas must be a number (got a table)\n"
      "run.toml:18:21: error: progressive.stages[0].layers must be an integer (got string '3')\n"
      "run.toml:18:26: error: unknown key 'untill' in progressive.stages[0]\n"
      "  hint: did you mean 'until'?\n"
      "run.toml:18:42: error: progressive.stages[1] must be a table such as {layers = 3, until = "
      "\"10%\"} (got integer 4)\n"
      "run.toml:18:45: error: progressive.stages[2] lacks its number of layers\n"
      "run.toml:20:11: error: eval.depths[0] must be one of 'stage', 'full' (got string 'half')");
}

TEST(TomlIo, ReadsAndWritesTruthValues) {
  const std::string text =
      "[data]\ntrain = [\"a\"]\ntokenizer = \"v\"\nmask_whole_words = true\n"
      "separate_documents = true\n[model]\narchitecture = \"bert\"\n";
  const ResolvedConfig resolved = load_text(text, {"data.separate_documents=false"});
  EXPECT_TRUE(resolved.config.data.mask_whole_words);
  EXPECT_FALSE(resolved.config.data.separate_documents);
  const std::string written = to_toml(resolved);
  EXPECT_NE(written.find("\nmask_whole_words = true "), std::string::npos);
  EXPECT_NE(written.find("\nseparate_documents = false "), std::string::npos);
  EXPECT_TRUE(load_text(written).config.data.mask_whole_words);
}

TEST(TomlIo, TruthValuesAreTrueOrFalse) {
  EXPECT_EQ(
      load_error("[data]\ntrain = [\"a\"]\nmask_whole_words = 1\nseparate_documents = \"true\"\n"),
      "run.toml:3:20: error: data.mask_whole_words must be true or false (got integer 1)\n"
      "run.toml:4:22: error: data.separate_documents must be true or false (got string 'true')");
  EXPECT_EQ(load_error("[data]\ntrain = [\"a\"]\n", {"data.mask_whole_words=yes"}),
            "--set: error: data.mask_whole_words must be true or false (got string 'yes')");
}

TEST(TomlIo, FaultyOverrides) {
  EXPECT_EQ(load_error("[data]\ntrain = [\"a\"]\n",
                       {"train.lr", "train.lrr=1", "lr=1", "train.lr=fast", "train.duration=5"}),
            "--set: error: expected key=value (got 'train.lr')\n"
            "  hint: for example --set train.lr=1e-3\n"
            "--set: error: unknown key 'train.lrr'\n"
            "  hint: did you mean 'train.lr'?\n"
            "--set: error: unknown key 'lr'\n"
            "  hint: 'lr' is a key of [train]\n"
            "--set: error: train.duration must be a length such as \"3 epochs\" (got string '5')\n"
            "  hint: write it in quotes, with its unit: steps, tokens, epochs, flops, hours or %\n"
            "--set: error: train.lr must be a number (got string 'fast')");
}

TEST(TomlIo, FormAndRangeFaultsComeTogether) {
  EXPECT_EQ(load_error("[data]\ntrain = [\"a\"]\n[train]\nlr = -1\nclip = \"x\"\n"),
            "run.toml:4:6: error: train.lr must be positive (got -1)\n"
            "run.toml:5:8: error: train.clip must be a number (got string 'x')");
}

TEST(TomlIo, AValueThatCannotBeReadIsNotJudged) {
  EXPECT_EQ(load_error("[data]\ntrain = [\"a\"]\n[model]\nwidth = \"x\"\nheads = 5\n"),
            "run.toml:4:9: error: model.width must be an integer (got string 'x')");
}

TEST(TomlIo, SyntaxErrorsAndDuplicatesHaveAPosition) {
  EXPECT_EQ(load_error("[train]\nlr = = 3\n").substr(0, 21), "run.toml:2:6: error: ");
  EXPECT_EQ(load_error("[train]\nlr = 1\nlr = 2\n"),
            "run.toml:3:6: error: Error while parsing key-value pair: cannot redefine existing "
            "integer 'lr'");
}

TEST(TomlIo, KeysOfManyPartsAreRefusedBeforeTheLibrarySeesThem) {
  std::string parts = "a";
  for (int i = 0; i < 50'000; ++i)
    parts += ".a";
  const std::string message = "error: a key of more than 20 parts";
  EXPECT_EQ(load_error(parts + " = 1\n"), "run.toml:1:40: " + message);
  EXPECT_EQ(load_error("[run]\n[" + parts + "]\n"), "run.toml:2:41: " + message);
  EXPECT_EQ(load_error("x = {" + parts + " = 1}\n"), "run.toml:1:45: " + message);
  EXPECT_EQ(load_error("x = '''\n'\n''' # ...\n[" + parts + "]\n"), "run.toml:4:41: " + message);
  // Dots in a string, a comment or numbers do not belong to a key.
  const std::string dots(50'000, '.');
  EXPECT_EQ(load_error("[data]\ntrain = [\"" + dots + "\", '" + dots + "'] # " + dots + "\n"), "");
  EXPECT_EQ(load_error("[data]\ntrain = [\"a\"]\n[train]\nbetas = [0.9,\n0.8]\n"), "");
}

TEST(TomlIo, APathWithALineEndStaysInItsComment) {
  const TempDir dir;
  const std::filesystem::path folder = dir / "a\n[run]\nseed = 7 \x1b[31m";
  std::filesystem::create_directories(folder);
  write_text(folder / "run.toml", "[data]\ntrain = [\"a\"]\n[train]\nlr = 0.5\n");
  const ResolvedConfig first = load_run_config(folder / "run.toml");
  const ResolvedConfig second = load_text(to_toml(first));
  EXPECT_EQ(second.config.run.seed, 42u);
  EXPECT_EQ(second.config.train.lr, 0.5);
  EXPECT_EQ(second.base_dir, first.base_dir);
}

TEST(TomlIo, NamesWhatIsNoFileOrCannotBeNamed) {
  const TempDir dir;
  write_text(dir / "a\xff.toml", "[data]\ntrain = [\"a\"]\n");
  const auto error = [](const std::filesystem::path& path) -> std::string {
    try {
      load_run_config(path);
    } catch (const ConfigError& fault) {
      return fault.what();
    }
    return "";
  };
  const std::string folder = dir.path().string();
  EXPECT_EQ(error(dir / "a\xff.toml"),
            folder +
                "/a\\xff.toml: error: the path is not UTF-8, and so could not be written into "
                "files that name it");
  EXPECT_EQ(error(dir.path()), folder + ": error: expected a file, found something else");
}

TEST(TomlIo, MissingFile) {
  try {
    load_run_config("/nowhere/run.toml");
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "/nowhere/run.toml: error: there is no such file");
  }
}

TEST(ResolvedConfig, LocatesFaultsOfKeysAndOfMissingKeys) {
  ResolvedConfig resolved;
  resolved.origins = {{"progressive.stages", "run.toml:4:10"},
                      {"progressive.stages[0].layers", "run.toml:4:21"},
                      {"progressive.layer_map", "method apollo"}};
  const auto where = [&](const char* key) {
    const Diagnostic fault = located(resolved, {key, "is wrong", ""});
    return fault.where + ": " + fault.message;
  };
  EXPECT_EQ(where("progressive.stages[0].layers"),
            "run.toml:4:21: progressive.stages[0].layers: is wrong");
  EXPECT_EQ(where("progressive.stages[0].until"),
            "run.toml:4:10: progressive.stages[0].until: is wrong");
  EXPECT_EQ(where("progressive.layer_map"), "progressive.layer_map: is wrong");
  EXPECT_EQ(where("train.lr"), "train.lr: is wrong");
}

TEST(TomlIo, AStageMayHaveADepth) {
  const ResolvedConfig resolved =
      load_text("[data]\ntrain = [\"a\"]\n",
                {"progressive.stages=[{layers=6,depth=4,until=\"5%\"},{layers=6}]"});
  const std::vector<StageSpec>& stages = resolved.config.progressive.stages;
  EXPECT_EQ(stages[0].depth, 4);
  EXPECT_EQ(stages[1].depth, std::nullopt);
  EXPECT_EQ(toml_text(stages), "[{layers = 6, depth = 4, until = \"5%\"}, {layers = 6}]");
  EXPECT_EQ(load_error("[data]\ntrain = [\"a\"]\n[progressive]\nstages = [{layers = 6, x = 1}]\n"),
            "run.toml:4:24: error: unknown key 'x' in progressive.stages[0]\n"
            "  hint: a stage has 'layers', 'until' and 'depth'");
}

}  // namespace
}  // namespace apollo
