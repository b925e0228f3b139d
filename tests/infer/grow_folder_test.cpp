#include "infer/grow_folder.h"

#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "base/json_lines.h"
#include "infer/made_up_folder.h"
#include "model/hf_folder.h"
#include "model/safetensors.h"
#include "model/transformers_logits.h"
#include "support/python_original.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr LayerMapKind kKinds[] = {LayerMapKind::kInterpolate, LayerMapKind::kStack};

// Returns the largest difference between logits at two depths.
double difference(const fs::path& a, int64_t depth_a, const fs::path& b, int64_t depth_b) {
  const LoadedModel first = load_model_folder(a, at::kCPU);
  const LoadedModel second = load_model_folder(b, at::kCPU);
  const at::Tensor inputs = random_tokens(first.model->spec(), 3, 12);
  return largest_difference(logits_at(*first.model, inputs, depth_a),
                            logits_at(*second.model, inputs, depth_b));
}

TEST(GrowFolder, KeepsTheFunctionAndTheTokenizer) {
  for (const LayerMapKind kind : kKinds) {
    const TempDir temp;
    write_bytes_model(temp / "old", bytes_spec(12, kind), 3);
    grow_folder(temp / "old", temp / "new", 6, std::nullopt);
    const LoadedModel grown = load_model_folder(temp / "new", at::kCPU);
    EXPECT_EQ(grown.model->num_layers(), 6);
    EXPECT_EQ(grown.model->spec(), bytes_spec(12, kind));
    EXPECT_EQ(grown.tokenizer->hash(), load_tokenizer("bytes")->hash());
    EXPECT_EQ(read_json(temp / "new/config.json")["eos_token_id"],
              read_json(temp / "old/config.json")["eos_token_id"]);
    for (int64_t depth = 6; depth <= 12; ++depth)
      EXPECT_EQ(difference(temp / "old", depth, temp / "new", depth), 0.0) << depth;
  }
}

// Returns what stderr says about a growth in its own folder.
std::string told(const ModelSpec& spec, int64_t from, int64_t to,
                 std::optional<WiderFolder> wider = {}) {
  const TempDir temp;
  write_bytes_model(temp / "old", spec, from);
  testing::internal::CaptureStderr();
  grow_folder(temp / "old", temp / "new", to, std::nullopt, wider);
  return testing::internal::GetCapturedStderr();
}

TEST(GrowFolder, SaysWhereTheFunctionChanges) {
  EXPECT_EQ(told(bytes_spec(12), 6, 12), "");
  EXPECT_NE(told(bytes_spec(12), 6, 7)
                .find("the function changes: at its 12 layers the model ran 6 shared ones, which 7 "
                      "copied by 'interpolate' do not repeat (hint: a multiple of 6 layers does, "
                      "by interpolate or stack)"),
            std::string::npos);
  EXPECT_NE(told(bytes_spec(6), 6, 12)
                .find("the function changes: a model of 6 layers becomes one of 12, which has to "
                      "be trained on"),
            std::string::npos);
  EXPECT_NE(told(bytes_spec(3), 3, 3, WiderFolder{.width = 30})
                .find("the function changes with the width: 20 does not divide 30"),
            std::string::npos);
}

TEST(GrowFolder, WidensAndKeepsTheFunction) {
  const TempDir temp;
  write_bytes_model(temp / "old", bytes_spec(3), 3);
  grow_folder(temp / "old", temp / "new", 3, std::nullopt, WiderFolder{.width = 40});
  const LoadedModel grown = load_model_folder(temp / "new", at::kCPU);
  EXPECT_EQ(grown.model->spec().shape.width, 40);
  EXPECT_EQ(grown.model->spec().shape.heads, 4);
  EXPECT_LT(difference(temp / "old", 3, temp / "new", 3), 1e-4);
  grow_folder(temp / "old", temp / "aki", 3, std::nullopt, WiderFolder{40, WidthRule::kAki});
  EXPECT_GT(difference(temp / "old", 3, temp / "aki", 3), 1e-2);
  EXPECT_EQ(thrown_text<UsageError>([&] {
              grow_folder(temp / "old", temp / "odd", 3, std::nullopt, WiderFolder{.width = 35});
            }),
            "width 35 does not follow from the model's 20: expected a larger multiple of 10, the "
            "size of its heads, which are copied whole");
}

TEST(GrowFolder, BeyondTheFinalDepthTheModelBecomesDeeper) {
  const TempDir temp;
  write_bytes_model(temp / "old", bytes_spec(3), 3);
  grow_folder(temp / "old", temp / "new", 5, LayerMapKind::kStack);
  const LoadedModel grown = load_model_folder(temp / "new", at::kCPU);
  EXPECT_EQ(grown.model->num_layers(), 5);
  EXPECT_EQ(grown.model->spec().shape.layers, 5);
  EXPECT_EQ(grown.model->spec().layer_map, LayerMapKind::kStack);
  const LoadedModel old = load_model_folder(temp / "old", at::kCPU);
  for (const auto& [layer, source] : {std::pair<int64_t, int64_t>{3, 1}, {4, 2}}) {
    EXPECT_TRUE(grown.model->parameters()
                    .part("mlp.c_fc.weight", layer)
                    .equal(old.model->parameters().part("mlp.c_fc.weight", source)));
  }
}

TEST(GrowFolder, WorksOnAFolderThatApolloNeverWrote) {
  const fs::path folder = example_data() / "checkpoints/tiny_gpt2";
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const TempDir temp;
  grow_folder(folder, temp / "grown", 4, LayerMapKind::kInterpolate);
  EXPECT_EQ(difference(folder, 4, temp / "grown", 4), 0.0);
  for (const char* name : {"vocab.json", "merges.txt"})
    EXPECT_EQ(read_file(temp.path() / "grown" / name), read_file(folder / name));
  // It allows texts of any length, which the model does not.
  Json tokenizer_config = read_json(folder / "tokenizer_config.json");
  tokenizer_config["model_max_length"] = 1024;
  EXPECT_EQ(read_json(temp / "grown/tokenizer_config.json"), tokenizer_config);
  EXPECT_EQ(read_json(temp / "grown/config.json")["eos_token_id"], 20);
}

// A published BERT: only vocab.txt, a pooler, a head for next sentences, and settings of its own.
TEST(GrowFolder, KeepsWhatStandsBesideTheModel) {
  const TempDir temp;
  ModelSpec spec = small_spec(2);
  spec.shape.architecture = Architecture::kBert;
  fs::create_directory(temp / "old");
  save_hf_model(*random_model(spec, 2), temp / "old", {.pad = 0});
  NamedTensors tensors = read_safetensors(temp / "old/model.safetensors").tensors;
  tensors.emplace_back("bert.pooler.dense.weight", at::full({20, 20}, 0.5));
  tensors.emplace_back("cls.seq_relationship.bias", at::full({2}, 0.25));
  write_safetensors(temp / "old/model.safetensors", tensors);
  Json config = read_json(temp / "old/config.json");
  config["id2label"] = {{"0", "no"}};
  config["attention_probs_dropout_prob"] = 0.4;
  config.erase("apollo");
  write_file_atomic(temp / "old/config.json", config.dump());
  for (const char* name : {"vocab.txt", "chat_template.jinja", "special_tokens_map.json"})
    write_file_atomic(temp / "old" / name, std::string(name) + "\n");
  grow_folder(temp / "old", temp / "grown", 4, std::nullopt);
  export_folder(temp / "old", temp / "exported", 0);
  for (const char* name : {"grown", "exported"}) {
    const fs::path folder = temp / name;
    for (const char* file : {"vocab.txt", "chat_template.jinja", "special_tokens_map.json"})
      EXPECT_EQ(read_file(folder / file), std::string(file) + "\n");
    const FolderRest rest = read_folder_rest(folder);
    ASSERT_EQ(rest.tensors.size(), 2U);
    EXPECT_TRUE(rest.find("bert.pooler.dense.weight")->equal(at::full({20, 20}, 0.5)));
    EXPECT_TRUE(rest.find("cls.seq_relationship.bias")->equal(at::full({2}, 0.25)));
    Json expected = config;
    const int64_t layers = name == std::string("grown") ? 4 : 2;
    expected["num_hidden_layers"] = layers;
    expected["apollo"] = {{"final_layers", layers}, {"layer_map", "interpolate"}};
    EXPECT_EQ(rest.config, expected);
    EXPECT_EQ(read_json(folder / "tokenizer_config.json"), Json({{"model_max_length", 12}}));
  }
  // A pooler of the old width fits no wider model.
  grow_folder(temp / "old", temp / "wide", 2, std::nullopt, WiderFolder{.width = 40});
  EXPECT_TRUE(read_folder_rest(temp / "wide").tensors.empty());
}

TEST(GrowFolder, AModelWithoutLanguageHeadGrowsToo) {
  const TempDir temp;
  ModelSpec spec = small_spec(2);
  spec.shape.architecture = Architecture::kBert;
  fs::create_directory(temp / "old");
  save_hf_model(*random_model(spec, 2), temp / "old", {});
  NamedTensors tensors = read_safetensors(temp / "old/model.safetensors").tensors;
  std::erase_if(tensors, [](const auto& entry) { return entry.first.starts_with("cls."); });
  write_safetensors(temp / "old/model.safetensors", tensors);
  export_folder(temp / "old", temp / "new", 0);
  EXPECT_FALSE(read_folder_rest(temp / "new").lacks.empty());
  EXPECT_EQ(read_safetensors(temp / "new/model.safetensors").tensors.size(), tensors.size());
}

TEST(ExportFolder, UnrolledModelEqualsTheSharedOneExactly) {
  for (const LayerMapKind kind : kKinds) {
    const TempDir temp;
    write_bytes_model(temp / "run/checkpoints/latest", bytes_spec(12, kind), 3);
    for (const int64_t depth : {3, 5, 12, 14}) {
      const fs::path out = temp / ("depth-" + std::to_string(depth));
      export_folder(temp / "run", out, depth);
      const LoadedModel plain = load_model_folder(out, at::kCPU);
      EXPECT_EQ(plain.model->num_layers(), depth);
      EXPECT_EQ(plain.model->spec().shape.layers, depth);
      EXPECT_NE(plain.tokenizer, nullptr);
      EXPECT_EQ(difference(temp / "run", depth, out, depth), 0.0) << depth;
    }
    export_folder(temp / "run", temp / "default", 0);
    EXPECT_EQ(difference(temp / "default", 12, temp / "depth-12", 12), 0.0);
  }
}

TEST(ExportFolder, RefusesADepthBelowTheUniqueLayers) {
  const TempDir temp;
  write_bytes_model(temp / "old", bytes_spec(12), 3);
  EXPECT_EQ(
      error_of<UsageError>(temp.path(), [&] { export_folder(temp / "old", temp / "new", 2); }),
      "depth 2 is too small: the model has 3 unique layers; expected 3 or more");
  EXPECT_FALSE(fs::exists(temp / "new"));
}

TEST(GrowFolder, RefusesToShrink) {
  const TempDir temp;
  write_bytes_model(temp / "old", bytes_spec(12), 3);
  EXPECT_EQ(error_of<UsageError>(temp.path(),
                                 [&] { grow_folder(temp / "old", temp / "new", 2, std::nullopt); }),
            "cannot grow 3 layers to 2: 0 <= source <= target must hold");
  EXPECT_FALSE(fs::exists(temp / "new"));
}

TEST(GrowFolder, NeverOverwrites) {
  const TempDir temp;
  write_bytes_model(temp / "old", bytes_spec(12), 3);
  fs::create_directories(temp / "full");
  write_file_atomic(temp / "full/notes.txt", "mine");
  const auto message = [&](const fs::path& out) {
    return error_of<UsageError>(temp.path(),
                                [&] { grow_folder(temp / "old", out, 6, std::nullopt); });
  };
  EXPECT_EQ(message(temp / "full"),
            "DIR/full: is there already and not empty; expected a new "
            "folder");
  EXPECT_EQ(message(temp / "full/notes.txt"),
            "DIR/full/notes.txt: is there already and not empty; expected a new folder");
  EXPECT_EQ(read_file(temp / "full/notes.txt"), "mine");
  fs::create_directories(temp / "empty");
  EXPECT_EQ(message(temp / "empty"), "no error");
  EXPECT_EQ(message(temp / "slash/"), "no error");
  EXPECT_TRUE(fs::exists(temp / "slash/model.safetensors"));
}

TEST(ExportFolder, TransformersComputesWhatTheSharedModelDoes) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  const TempDir temp;
  write_bytes_model(temp / "old", bytes_spec(7), 3);
  export_folder(temp / "old", temp / "new", 0);
  const LoadedModel shared = load_model_folder(temp / "old", at::kCPU);
  const at::Tensor inputs = random_tokens(shared.model->spec(), 3, 12);
  EXPECT_LT(largest_difference(transformers_logits(temp / "new", inputs),
                               logits_at(*shared.model, inputs, 7)),
            1e-5);
}

}  // namespace
}  // namespace apollo
