// What is known about a source before anything runs: its sizes and cost from a folder, the reasons
// why it cannot be grown, and what it counts in the run.
#include "progressive/source_model.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "config/objective.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGpt2 =
    R"({"model_type": "gpt2", "n_layer": 3, "n_embd": 64, "n_head": 2, "n_positions": 32,
        "vocab_size": 257, "n_inner": null})";
constexpr const char* kState =
    R"({"position": {"step": 9, "flops": 2e9, "hours": 0.5}, "tokenizer": "abc",
        "before": {"flops": 1e9, "seconds": 200.0}})";

class Folder {
 public:
  explicit Folder(const std::string& config = kGpt2, const std::string& state = "") {
    write("config.json", config);
    if (!state.empty()) write("apollo/state.json", state);
  }
  void write(const std::string& name, const std::string& text) {
    fs::create_directories((dir_ / name).parent_path());
    std::ofstream(dir_ / name, std::ios::binary) << text;
  }
  const fs::path& path() const { return dir_.path(); }

 private:
  TempDir dir_;
};

RunConfig large_config() {
  RunConfig config;
  config.model = {.layers = 6, .width = 128, .heads = 4, .context = 32};
  config.train.batch_size = 4;
  config.progressive.stages = {{.layers = 6}};
  config.model.from = "source";
  return config;
}

// The messages without the folder's name, and the hints.
std::vector<std::string> faults(const SourceModel& source, const RunConfig& config,
                                const std::string& tokenizer_hash = "abc") {
  std::vector<std::string> found;
  for (const Diagnostic& fault :
       source_faults(source, config, model_shape(config, 257), tokenizer_hash)) {
    EXPECT_EQ(fault.where, "model.from");
    const std::string prefix = source.folder.string() + ": ";
    EXPECT_EQ(fault.message.substr(0, prefix.size()), prefix);
    found.push_back(fault.message.substr(prefix.size()) +
                    (fault.hint.empty() ? "" : "; hint: " + fault.hint));
  }
  return found;
}

TEST(SourceModel, ReadsSizesAndCostOfACheckpoint) {
  const Folder folder(kGpt2, kState);
  const SourceModel source = read_source_model(folder.path());
  EXPECT_EQ(source.shape, (ModelShape{Architecture::kGpt2, 3, 64, 2, 32, 257}));
  EXPECT_EQ(source.tokenizer_hash, "abc");
  ASSERT_TRUE(source.cost);
  EXPECT_DOUBLE_EQ(source.cost->flops, 3e9);
  EXPECT_DOUBLE_EQ(source.cost->seconds, 2000.0);
}

TEST(SourceModel, OfAPlainFolderHasNoKnownCost) {
  const Folder folder(
      R"({"model_type": "bert", "num_hidden_layers": 2, "hidden_size": 12, "num_attention_heads": 3,
          "max_position_embeddings": 20, "vocab_size": 50, "intermediate_size": 30})");
  const SourceModel source = read_source_model(folder.path());
  EXPECT_EQ(source.shape, (ModelShape{Architecture::kBert, 2, 12, 3, 20, 50, 30, 2}));
  EXPECT_EQ(source.tokenizer_hash, "");
  EXPECT_FALSE(source.cost);
}

TEST(SourceModel, IsFoundInARunFolder) {
  const TempDir run;
  fs::create_directories(run / "checkpoints/step-1");
  std::ofstream(run / "checkpoints/step-1/config.json") << kGpt2;
  fs::create_directory_symlink("step-1", run / "checkpoints/latest");
  EXPECT_EQ(read_source_model(run.path()).folder, run / "checkpoints/latest");
}

TEST(SourceModel, RefusesFoldersThatItCannotRead) {
  const TempDir empty;
  const auto text = [](const fs::path& path) {
    return thrown_text<CheckpointError>([&] { read_source_model(path); });
  };
  EXPECT_EQ(text(empty / "none"),
            (empty / "none").string() + ": no such folder; expected a checkpoint or a run");
  write_file_atomic(empty / "file", "");
  EXPECT_EQ(text(empty / "file"),
            (empty / "file").string() + ": not a folder; expected a checkpoint or a run");
  EXPECT_EQ(text(empty.path()), empty.path().string() +
                                    ": neither config.json nor checkpoints/latest; expected a "
                                    "Hugging Face model folder or a run that has saved");
  const Folder mixtral(R"({"model_type": "mixtral"})");
  EXPECT_EQ(text(mixtral.path()), (mixtral.path() / "config.json").string() +
                                      ": model_type is 'mixtral': expected one of 'gpt2', 'bert', "
                                      "'llama', 'qwen3', 'modernbert'");
  const Folder torn(R"({"model_type": "gpt2", "n_layer": "three"})");
  EXPECT_EQ(text(torn.path()), (torn.path() / "config.json").string() +
                                   ": key 'n_layer': expected a positive integer, found \"three\"");
  const Folder damaged(kGpt2, "{}");
  EXPECT_EQ(text(damaged.path()),
            (damaged.path() / "apollo/state.json").string() + ": 'position' is missing");
}

TEST(SourceFaults, AreNoneForAModelThatFollows) {
  const Folder folder(kGpt2, kState);
  EXPECT_EQ(faults(read_source_model(folder.path()), large_config()), std::vector<std::string>{});
}

TEST(SourceFaults, NameAnotherArchitectureAlone) {
  const Folder folder;
  RunConfig config = large_config();
  config.model.architecture = Architecture::kBert;
  EXPECT_EQ(faults(read_source_model(folder.path()), config),
            std::vector<std::string>{"the source is of architecture 'gpt2', the model of 'bert'"});
}

// Its widths must stay, and so must the meaning of its positions.
TEST(SourceFaults, OfALlamaThatGrowsInDepthOnly) {
  SourceModel source;
  source.folder = "small";
  source.shape = {Architecture::kLlama, 1, 16, 4, 32, 257};
  source.shape.set_inner_width(48);
  source.shape.tied = false;
  source.rope.theta = 10000.0;
  RunConfig config = large_config();
  config.model = {
      .architecture = Architecture::kLlama, .layers = 2, .width = 16, .heads = 4, .context = 32};
  config.progressive.stages = {{.layers = 2}};
  EXPECT_EQ(faults(source, config), std::vector<std::string>{});
  const std::string fault =
      "architecture 'llama' grows in depth only: width, heads, kv_heads, head_dim, inner_width and "
      "tie_embeddings must stay";
  config.model.kv_heads = 2;
  EXPECT_EQ(faults(source, config), std::vector<std::string>{fault});
  config.model.kv_heads = 0;
  config.model.width = 32;
  config.model.heads = 8;
  EXPECT_EQ(faults(source, config), std::vector<std::string>{fault});
  config.model.width = 16;
  config.model.heads = 4;
  config.model.rope_theta = 5e5;
  EXPECT_EQ(faults(source, config),
            std::vector<std::string>{"the source's positions rotate otherwise: rope_theta 10000, "
                                     "the model's 500000; hint: model.rope_theta = 10000"});
  source.rope.scaling = RopeScaling{8.0, 1.0, 4.0, 8192};
  EXPECT_EQ(faults(source, config),
            std::vector<std::string>{"the source's positions rotate otherwise: rope_theta 10000, "
                                     "scaled as \"llama3\", the model's 500000"});
}

TEST(SourceFaults, OfAModernBertWhoseBlocksSeeOtherwise) {
  SourceModel source;
  source.folder = "small";
  source.shape = {Architecture::kModernBert, 1, 16, 4, 32, 257};
  source.shape.set_inner_width(32);
  source.shape.local = {.window = 64, .global_every = 3};
  source.rope.theta = 160000.0;
  source.local_rope.theta = 10000.0;
  RunConfig config = large_config();
  config.model = {.architecture = Architecture::kModernBert,
                  .layers = 2,
                  .width = 16,
                  .heads = 4,
                  .context = 32};
  config.progressive.stages = {{.layers = 2}};
  EXPECT_EQ(faults(source, config), std::vector<std::string>{});
  config.model.local_attention = 16;
  config.model.global_attn_every_n_layers = 2;
  EXPECT_EQ(faults(source, config),
            std::vector<std::string>{
                "the source's local blocks see otherwise: local_attention 128, "
                "global_attn_every_n_layers 3, local_rope_theta 10000, the model's 16, 2, 10000"});
  config.model.local_attention = 0;
  config.model.global_attn_every_n_layers = 0;
  config.model.local_rope_theta = 500.0;
  EXPECT_EQ(faults(source, config).size(), 1U);
  config.model.local_rope_theta = 0.0;
  config.model.width = 32;
  config.model.heads = 8;
  EXPECT_EQ(faults(source, config),
            std::vector<std::string>{
                "architecture 'modernbert' grows in depth only: width, heads, kv_heads, head_dim, "
                "inner_width and tie_embeddings must stay"});
}

TEST(SourceFaults, NameEverySizeThatDoesNotFollow) {
  const Folder folder(kGpt2, kState);
  SourceModel source = read_source_model(folder.path());
  source.shape.vocab_size = 300;
  RunConfig config = large_config();
  config.model = {.layers = 2, .width = 32, .heads = 1, .context = 16};
  config.progressive.stages = {{.layers = 2}};
  EXPECT_EQ(
      faults(source, config),
      (std::vector<std::string>{
          "the source has a vocabulary of 300, the model one of 257; hint: data.tokenizer must be "
          "the source's",
          "the source's context is larger than the model's, 16 (got 32); hint: raise "
          "model.context, or begin from a smaller model",
          "the source's width is larger than the model's, 32 (got 64); hint: raise model.width, or "
          "begin from a smaller model",
          "the source's inner width is larger than the model's, 128 (got 256); hint: raise "
          "model.width, or begin from a smaller model",
          "the source has more layers than the first stage, 2 (got 3); hint: growth begins from "
          "the source: give the first stage at least as many layers"}));
}

TEST(SourceFaults, NameAnotherTokenizer) {
  const Folder folder(kGpt2, kState);
  const SourceModel source = read_source_model(folder.path());
  EXPECT_EQ(faults(source, large_config(), "xyz"),
            std::vector<std::string>{"the source was trained with another tokenizer; hint: "
                                     "data.tokenizer must be the source's"});
  EXPECT_EQ(faults(source, large_config(), ""), std::vector<std::string>{});
}

TEST(SourceFaults, NameHeadsOfAnotherSize) {
  const Folder folder(kGpt2, kState);
  const SourceModel source = read_source_model(folder.path());
  RunConfig config = large_config();
  config.model.heads = 2;
  EXPECT_EQ(faults(source, config),
            std::vector<std::string>{"heads are copied whole, so their size must stay: the "
                                     "source's have 32 neurons, the model's 64; hint: model.heads "
                                     "= 4"});
  config.model.width = 100;
  config.model.heads = 4;
  EXPECT_EQ(faults(source, config),
            std::vector<std::string>{"heads are copied whole, so their size must stay: the "
                                     "source's have 32 neurons, the model's 25; hint: a "
                                     "model.width that 32 divides"});
}

TEST(SourceFaults, NameALayerMapThatCannotGrowIt) {
  const Folder folder(kGpt2, kState);
  RunConfig config = large_config();
  config.model.layers = 8;
  config.progressive.stages = {{.layers = 8}};
  config.progressive.layer_map = LayerMapKind::kMiddleBlock;
  EXPECT_EQ(faults(read_source_model(folder.path()), config).size(), 1U);
}

TEST(SourceKeyFaults, WantASourceWhereTheMethodNeedsOne) {
  RunConfig config = large_config();
  config.model.from = "";
  for (const char* method : {"bert2bert", "ligo"}) {
    config.progressive.method = method;
    config.progressive.source_map = SourceMap::kAki;
    const std::vector<Diagnostic> found = source_key_faults(config);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].where, "model.from");
    EXPECT_EQ(found[0].message,
              fmt::format("method '{}' begins from a trained model, but none is named", method));
    EXPECT_EQ(found[0].hint, "for example from = \"runs/small\"");
  }
}

TEST(SourceKeyFaults, WantASourceForAMap) {
  RunConfig config = large_config();
  config.model.from = "";
  EXPECT_TRUE(source_key_faults(config).empty());
  config.progressive.source_map = SourceMap::kAki;
  const std::vector<Diagnostic> found = source_key_faults(config);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].where, "progressive.source_map");
  EXPECT_EQ(found[0].message, "says how a source grows, but no source is named (got 'aki')");
}

TEST(SourceKeyFaults, RefuseNewLayersBesideLearnedOnes) {
  RunConfig config = large_config();
  config.progressive.source_map = SourceMap::kLigo;
  EXPECT_TRUE(source_key_faults(config).empty());
  config.progressive.new_layers = NewLayers::kIdentity;
  ASSERT_EQ(source_key_faults(config).size(), 1U);
  EXPECT_EQ(source_key_faults(config)[0].message,
            "'ligo' learns what all layers are made of: it needs new_layers 'copy'");
}

TEST(SourceCost, IsChargedWhereItIsKnownAndAskedFor) {
  const Folder folder(kGpt2, kState);
  const SourceModel source = read_source_model(folder.path());
  RunConfig config = large_config();
  const ModelShape shape = model_shape(config, 257);
  EXPECT_DOUBLE_EQ(cost_before_start(source, config, shape).flops, 3e9);
  EXPECT_DOUBLE_EQ(cost_before_start(source, config, shape).seconds, 2000.0);
  config.progressive.charge_source = false;
  EXPECT_EQ(cost_before_start(source, config, shape).flops, 0.0);
  EXPECT_EQ(cost_before_start(source, config, shape).seconds, 0.0);
}

TEST(SourceCost, OfLearningIsThatOfItsPassesAndOperators) {
  const Folder folder(kGpt2, kState);
  const SourceModel source = read_source_model(folder.path());
  RunConfig config = large_config();
  config.progressive.source_map = SourceMap::kLigo;
  config.progressive.source_steps = 10;
  config.progressive.charge_source = false;
  const ModelShape shape = model_shape(config, 257);
  const double operators = growth_operator_flops(source.shape, shape, 6);
  const double expected = 10 * (train_flops(shape, 6, 4, 32) + 3 * operators) + operators;
  EXPECT_DOUBLE_EQ(growth_learning_flops(source, config, shape), expected);
  EXPECT_DOUBLE_EQ(cost_before_start(source, config, shape).flops, expected);
  EXPECT_EQ(cost_before_start(source, config, shape).seconds, 0.0);
}

TEST(SourceCost, ShortensARunOfFlopsAndNoOther) {
  RunConfig config = large_config();
  config.train.duration = {1e10, DurationUnit::kFlops};
  EXPECT_EQ(after_cost(config, 4e9).train.duration.value, 6e9);
  EXPECT_EQ(thrown_text<ConfigError>([&] { after_cost(config, 1e10); }),
            "train.duration: error: the source took 1e+10 FLOPs already, which count as the run's "
            "(got '1e10 flops')\n  hint: a longer run, or progressive.charge_source = false");
  config.train.duration = {100, DurationUnit::kSteps};
  EXPECT_EQ(after_cost(config, 1e10).train.duration, config.train.duration);
}

}  // namespace
}  // namespace apollo
