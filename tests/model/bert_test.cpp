// BERT against `transformers` in float64: logits, loss and every parameter's gradient, with token
// types, masked targets and documents that do not see each other.
#include <ATen/ops/cat.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones_like.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/json_lines.h"
#include "model/growth.h"
#include "model/hf_folder.h"
#include "model/made_up_model.h"
#include "model/transformers_logits.h"
#include "ops/dropout.h"
#include "support/python_original.h"
#include "support/test_device.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"five_layers", "one_head", "odd_inner", "packed"};

ModelSpec small_bert(int64_t final_layers, LayerMapKind kind = LayerMapKind::kInterpolate) {
  ModelSpec spec = small_spec(final_layers, kind);
  spec.shape.architecture = Architecture::kBert;
  spec.norm_epsilon = 1e-12;
  return spec;
}

struct Reference {
  std::map<std::string, at::Tensor> tensors;
  DeviceBatch batch;
};

class BertParity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!has_venv_python()) return;
    folder_ = std::make_unique<TempDir>();
    run_python("tests/model/hf_reference.py", "make_bert '" + folder_->path().string() + "'");
  }
  static void TearDownTestSuite() { folder_.reset(); }
  void SetUp() override { APOLLO_SKIP_WITHOUT_PYTHON(); }

  static Reference reference(const std::string& name) {
    Reference found;
    for (auto& [key, tensor] : read_safetensors(*folder_ / (name + ".safetensors")).tensors)
      found.tensors.emplace(key, tensor);
    const at::Tensor targets = found.tensors.at("targets").flatten();
    const at::Tensor rows = targets.ne(kIgnoredTarget).nonzero().flatten();
    const auto here = [](const at::Tensor& tensor) { return tensor.to(test_device()); };
    found.batch = {here(found.tensors.at("inputs")), here(targets.index_select(0, rows)),
                   here(rows), here(found.tensors.at("segments")),
                   here(found.tensors.at("documents"))};
    return found;
  }

  static std::unique_ptr<TempDir> folder_;
};

std::unique_ptr<TempDir> BertParity::folder_;

TEST_F(BertParity, LogitsAndLossEqualTransformers) {
  for (const std::string name : kNames) {
    const Reference expected = reference(name);
    const auto model = load_hf_model(*folder_ / name, test_device());
    const LayerMap blocks = model->blocks(model->num_layers());
    for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
      SCOPED_TRACE(name);
      const PassOptions options{.kernels = kernels};
      const at::NoGradGuard no_grad;
      const at::Tensor logits = model->logits(expected.batch, blocks, options);
      ASSERT_EQ(logits.sizes(), expected.tensors.at("logits").sizes());
      EXPECT_LT(largest_difference(logits, expected.tensors.at("logits")), 1e-5);
      const double mean = model->loss_sum(expected.batch, blocks, options).item<double>() /
                          static_cast<double>(expected.batch.targets_M.numel());
      EXPECT_NEAR(mean, expected.tensors.at("loss").item<double>(), 1e-5);
    }
  }
}

TEST_F(BertParity, EveryGradientEqualsTransformers) {
  for (const std::string name : kNames) {
    const Reference expected = reference(name);
    const auto model = load_hf_model(*folder_ / name, test_device());
    for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
      model->parameters().zero_gradients();
      const at::Tensor loss =
          model->loss_sum(expected.batch, model->blocks(model->num_layers()), {.kernels = kernels});
      (loss / static_cast<double>(expected.batch.targets_M.numel())).backward();
      size_t compared = 0;
      for (const ParameterSlot& slot : model->parameters().layout().slots()) {
        const at::Tensor found = slot_view(model->parameters().gradients(), slot).cpu();
        std::vector<at::Tensor> parts;
        const auto names =
            slot.spec.pieces.empty() ? std::vector{slot.spec.name} : slot.spec.pieces;
        for (const std::string& piece : names)
          parts.push_back(expected.tensors.at("grad." + piece));
        compared += names.size();
        const at::Tensor exact = at::cat(parts);
        const double scale = at::linalg_vector_norm(exact).item<double>();
        EXPECT_LT(at::linalg_vector_norm(found.to(at::kDouble) - exact).item<double>(),
                  1e-5 * scale + 1e-8)
            << name << " " << slot.spec.name;
      }
      // All tensors except inputs, targets, segments, documents, logits and loss.
      EXPECT_EQ(compared, expected.tensors.size() - 6) << "a gradient is left over";
    }
  }
}

TEST_F(BertParity, ABareModelLoadsWhereNoHeadIsNeeded) {
  const fs::path whole = *folder_ / "five_layers";
  const fs::path bare = *folder_ / "five_layers.bare";
  EXPECT_EQ(thrown_text<CheckpointError>([&] { load_hf_model(bare, test_device()); }),
            bare.string() +
                ": parameter 'cls.predictions.transform.dense.weight' is missing; the model has no "
                "language head, which only `apollo finetune`, `grow` and `export` can do without");
  const auto without = load_hf_model(bare, test_device(), {.needs_head = false});
  const auto with = load_hf_model(whole, test_device());
  const DeviceBatch batch{random_tokens(with->spec(), 2, 9)};
  const at::NoGradGuard no_grad;
  EXPECT_EQ(largest_difference(without->hidden(batch, without->blocks(5), {}),
                               with->hidden(batch, with->blocks(5), {})),
            0.0);
}

TEST_F(BertParity, ThePoolerOfAFolderIsFound) {
  const FolderRest bare = read_folder_rest(*folder_ / "five_layers.bare");
  const auto pooler = bare.find("bert.pooler.dense.weight");
  ASSERT_TRUE(pooler.has_value());
  EXPECT_EQ(pooler->sizes(), at::IntArrayRef({60, 60}));
  EXPECT_EQ(bare.lacks, (std::vector<std::string_view>{"cls.predictions."}));
  const FolderRest whole = read_folder_rest(*folder_ / "five_layers");
  EXPECT_FALSE(whole.find("bert.pooler.dense.weight").has_value());
  EXPECT_TRUE(whole.lacks.empty());
}

TEST(Bert, TheLastBlockAtTheTargetsIsThatOfTheWholePass) {
  const auto model = random_model(small_bert(6), 3);
  const DeviceBatch batch = masked_batch(model->spec(), 4, 12);
  const at::NoGradGuard no_grad;
  for (const int64_t depth : {3, 5}) {
    for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
      for (const int64_t frozen : {int64_t{0}, int64_t{2}, depth}) {
        const PassOptions options{.kernels = kernels, .frozen_blocks = frozen};
        const at::Tensor whole = model->hidden(batch, model->blocks(depth), options).flatten(0, 1);
        const at::Tensor found = model->target_hidden(batch, model->blocks(depth), options);
        ASSERT_EQ(found.sizes(), at::IntArrayRef({16, 20}));
        EXPECT_LT(largest_difference(found, whole.index_select(0, batch.target_rows_M)), 2e-6);
      }
    }
  }
}

TEST(Bert, TransformersLoadsWhatIsSavedHere) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  const TempDir temp;
  auto model = random_model(small_bert(12), 3);
  for (const int64_t layers : {3, 6, 12}) {
    model = grow_model(*model, growth_map(LayerMapKind::kInterpolate, model->num_layers(), layers));
    const fs::path folder = temp / std::to_string(layers);
    fs::create_directories(folder);
    save_hf_model(*model, folder, {.bos = 30, .eos = 30});
    const at::Tensor inputs = random_tokens(model->spec(), 3, 12);
    EXPECT_LT(
        largest_difference(transformers_logits(folder, inputs), logits_at(*model, inputs, layers)),
        1e-5);
  }
}

TEST(Bert, RoundTripKeepsWeightsAndWhatTheModelIs) {
  const TempDir temp;
  const auto model = random_model(small_bert(12, LayerMapKind::kStack), 3);
  save_hf_model(*model, temp.path(), {});
  const auto loaded = load_hf_model(temp.path(), test_device());
  EXPECT_EQ(loaded->spec(), model->spec());
  EXPECT_EQ(loaded->num_layers(), 3);
  EXPECT_TRUE(loaded->parameters().values().equal(model->parameters().values()));
}

// The first published folders have these names.
TEST(Bert, OldNamesAndCopiesOfTheHeadLoad) {
  const TempDir temp;
  const auto model = random_model(small_bert(2), 2);
  save_hf_model(*model, temp.path(), {});
  NamedTensors tensors = read_safetensors(temp / "model.safetensors").tensors;
  at::Tensor embedding, bias;
  for (auto& [name, tensor] : tensors) {
    if (name.ends_with("word_embeddings.weight")) embedding = tensor;
    if (name == "cls.predictions.bias") bias = tensor;
    if (name.ends_with("LayerNorm.weight")) name.replace(name.size() - 6, 6, "gamma");
    if (name.ends_with("LayerNorm.bias")) name.replace(name.size() - 4, 4, "beta");
  }
  tensors.emplace_back("cls.predictions.decoder.weight", embedding.clone());
  tensors.emplace_back("cls.predictions.decoder.bias", bias.clone());
  tensors.emplace_back("bert.pooler.dense.weight", at::ones_like(embedding));
  tensors.emplace_back("cls.seq_relationship.bias", at::ones_like(bias));
  write_safetensors(temp / "model.safetensors", tensors);
  const auto loaded = load_hf_model(temp.path(), test_device());
  EXPECT_TRUE(loaded->parameters().values().equal(model->parameters().values()));

  // Either of two tied tensors is enough.
  NamedTensors copies_alone = tensors;
  std::erase_if(copies_alone, [](const auto& entry) {
    return entry.first == "cls.predictions.bias" ||
           entry.first == "bert.embeddings.word_embeddings.weight";
  });
  write_safetensors(temp / "model.safetensors", copies_alone);
  EXPECT_TRUE(load_hf_model(temp.path(), test_device())
                  ->parameters()
                  .values()
                  .equal(model->parameters().values()));

  tensors.at(tensors.size() - 4).second.add_(1.0);
  write_safetensors(temp / "model.safetensors", tensors);
  EXPECT_EQ(thrown_text<CheckpointError>([&] { load_hf_model(temp.path(), test_device()); }),
            temp.path().string() +
                ": 'cls.predictions.decoder.weight' differs from "
                "'bert.embeddings.word_embeddings.weight'; expected a tied head");
}

TEST(Bert, GrowthIsExactlyFunctionPreservingWhereNDividesN) {
  for (const LayerMapKind kind : {LayerMapKind::kInterpolate, LayerMapKind::kStack}) {
    auto model = random_model(small_bert(12, kind), 1);
    const at::Tensor inputs = random_tokens(model->spec(), 3, 12);
    for (const int64_t layers : {3, 6, 12}) {
      auto grown = grow_model(*model, growth_map(kind, model->num_layers(), layers));
      for (int64_t depth = layers; depth <= 14; ++depth) {
        EXPECT_EQ(
            largest_difference(logits_at(*grown, inputs, depth), logits_at(*model, inputs, depth)),
            0.0);
      }
      // The layers go different ways from here.
      const at::NoGradGuard no_grad;
      grown->parameters().values().add_(
          random_model(small_bert(12, kind), layers, /*seed=*/9)->parameters().values() * 0.05);
      model = std::move(grown);
    }
  }
}

TEST(Bert, ASequenceSeesNothingOfItsPadding) {
  const auto model = random_model(small_bert(3), 3);
  const at::Tensor inputs = random_tokens(model->spec(), 1, 8);
  const at::Tensor shown = inputs.slice(1, 0, 5);
  at::Tensor documents = at::ones_like(inputs);
  documents.slice(1, 0, 5).zero_();
  const at::NoGradGuard no_grad;
  const LayerMap blocks = model->blocks(3);
  const at::Tensor alone = model->logits({shown}, blocks, {});
  const at::Tensor padded = model->logits({inputs, {}, {}, {}, documents}, blocks, {});
  EXPECT_LT(largest_difference(padded.slice(1, 0, 5), alone), 1e-5);
  EXPECT_GT(largest_difference(model->logits({inputs}, blocks, {}).slice(1, 0, 5), alone), 1e-2);
}

TEST(Bert, DropoutActsInTrainingAlone) {
  ModelSpec spec = small_bert(2);
  spec.dropout = 0.3;
  const auto model = random_model(spec, 2);
  const DeviceBatch batch{random_tokens(spec, 2, 8)};
  const at::NoGradGuard no_grad;
  const auto run = [&](bool training, uint64_t key, Kernels kernels = Kernels::kFused) {
    seed_dropout(test_device(), key);
    return model->logits(batch, model->blocks(2),
                         {.training = training, .kernels = kernels, .dropout_key = key});
  };
  EXPECT_EQ(largest_difference(run(false, 1), run(false, 2)), 0.0);
  EXPECT_EQ(largest_difference(run(true, 1), run(true, 1)), 0.0);
  EXPECT_GT(largest_difference(run(true, 1), run(true, 2)), 1e-3);
  if (!test_device().is_cpu()) return;  // there the device's generator draws for each form
  EXPECT_LT(largest_difference(run(true, 1), run(true, 1, Kernels::kReference)), 1e-5);
}

}  // namespace
}  // namespace apollo
