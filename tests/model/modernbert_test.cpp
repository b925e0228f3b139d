// ModernBERT against `transformers` in float64: logits, loss and every parameter's gradient, with
// windows smaller and larger than the sequence, masked targets and documents. It reads folders that
// are whole, in shards, in bf16, without a head and of a classifier. It also checks folders that
// Apollo writes, with the norm for which Hugging Face's format has no place.
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/ones.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/json_lines.h"
#include "model/growth.h"
#include "model/hf_folder.h"
#include "model/made_up_model.h"
#include "model/safetensors.h"
#include "model/transformers_logits.h"
#include "support/python_original.h"
#include "support/temp_dir.h"
#include "support/test_device.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNames[] = {"five_layers", "one_layer", "all_global", "long", "packed"};
// `transformers` has no gradient for this parameter.
constexpr const char* kOwnNorm = "model.layers.0.attn_norm.weight";

struct Reference {
  std::map<std::string, at::Tensor> tensors;
  DeviceBatch batch;
};

class ModernBertParity : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!has_venv_python()) return;
    folder_ = std::make_unique<TempDir>();
    run_python("tests/model/hf_reference.py", "make_modernbert '" + folder_->path().string() + "'");
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
    found.batch = {.inputs_BT = here(found.tensors.at("inputs")),
                   .targets_M = here(targets.index_select(0, rows)),
                   .target_rows_M = here(rows)};
    const at::Tensor& documents = found.tensors.at("documents");
    if (documents.max().item<int64_t>() > 0) found.batch.documents_BT = here(documents);
    return found;
  }

  static double size_of(const at::Tensor& logits) {
    return std::max(1.0, logits.abs().max().item<double>());
  }

  static std::unique_ptr<TempDir> folder_;
};

std::unique_ptr<TempDir> ModernBertParity::folder_;

TEST_F(ModernBertParity, LogitsAndLossEqualTransformers) {
  for (const std::string name : kNames) {
    const Reference expected = reference(name);
    const at::Tensor& exact = expected.tensors.at("logits");
    for (const std::string suffix : {"", ".sharded"}) {
      const auto model = load_hf_model(*folder_ / (name + suffix), test_device());
      const LayerMap blocks = model->blocks(model->num_layers());
      for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
        SCOPED_TRACE(name + suffix);
        const PassOptions options{.kernels = kernels};
        const at::NoGradGuard no_grad;
        const at::Tensor logits = model->logits(expected.batch, blocks, options);
        ASSERT_EQ(logits.sizes(), exact.sizes());
        EXPECT_LT(largest_difference(logits, exact), 1e-5 * size_of(exact));
        const double mean = model->loss_sum(expected.batch, blocks, options).item<double>() /
                            static_cast<double>(expected.batch.targets_M.numel());
        EXPECT_NEAR(mean, expected.tensors.at("loss").item<double>(), 1e-5);
      }
    }
  }
}

TEST_F(ModernBertParity, EveryGradientEqualsTransformers) {
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
        if (slot.spec.name == kOwnNorm) {
          EXPECT_EQ(found.abs().max().item<double>(), 0.0) << "no place reads it";
          continue;
        }
        const at::Tensor& exact = expected.tensors.at("grad." + slot.spec.name);
        const double scale = at::linalg_vector_norm(exact).item<double>();
        EXPECT_LT(at::linalg_vector_norm(found.to(at::kDouble) - exact).item<double>(),
                  1e-5 * scale + 1e-9)
            << name << " " << slot.spec.name;
        ++compared;
      }
      // All tensors except inputs, targets, documents, logits, logits in bf16, and loss.
      EXPECT_EQ(compared, expected.tensors.size() - 6) << "a gradient is left over";
    }
  }
}

TEST_F(ModernBertParity, AFolderInBf16HasItsLogits) {
  for (const std::string name : kNames) {
    SCOPED_TRACE(name);
    const Reference expected = reference(name);
    const auto model = load_hf_model(*folder_ / (name + ".bf16"), test_device());
    const at::NoGradGuard no_grad;
    const at::Tensor logits =
        model->logits({expected.batch.inputs_BT}, model->blocks(model->num_layers()), {});
    const at::Tensor& exact = expected.tensors.at("bf16_logits");
    EXPECT_LT(largest_difference(logits, exact), 1e-5 * size_of(exact));
    EXPECT_EQ(read_folder_rest(*folder_ / (name + ".bf16")).dtype, at::kBFloat16);
  }
}

// A bare model has no head, and a classifier only the part of it before the vocabulary.
TEST_F(ModernBertParity, WhatAFolderLacksOfTheHeadIsInitialised) {
  const auto whole = load_hf_model(*folder_ / "five_layers", test_device());
  const std::map<std::string, std::vector<std::string_view>> lacking = {
      {".bare", {"decoder.", "head."}}, {".classifier", {"decoder."}}};
  for (const auto& [suffix, prefixes] : lacking) {
    const fs::path folder = *folder_ / ("five_layers" + suffix);
    EXPECT_THROW(load_hf_model(folder, test_device()), CheckpointError);
    EXPECT_EQ(read_folder_rest(folder).lacks, prefixes);
    const auto found = load_hf_model(folder, test_device(), {.needs_head = false});
    for (const ParameterSlot& slot : whole->parameters().layout().slots()) {
      const bool is_new =
          std::any_of(prefixes.begin(), prefixes.end(),
                      [&](std::string_view prefix) { return slot.spec.name.starts_with(prefix); });
      EXPECT_EQ(found->parameters()
                    .tensor(slot.spec.name)
                    .equal(whole->parameters().tensor(slot.spec.name)),
                !is_new)
          << suffix << " " << slot.spec.name;
    }
  }
  EXPECT_TRUE(read_folder_rest(*folder_ / "five_layers.classifier").find("classifier.weight"));
}

TEST_F(ModernBertParity, FoldersOfApolloLoadInTransformersAndHere) {
  const TempDir temp;
  std::vector<fs::path> folders;
  std::vector<at::Tensor> logits;
  const at::Tensor inputs = random_tokens(small_spec(4), 3, 12);
  for (const int64_t global_every : {1, 2, 3}) {
    for (const int64_t layers : {1, 5}) {
      ModelSpec spec = small_spec_of(Architecture::kModernBert, layers, LayerMapKind::kStack);
      spec.dropout = 0.25;
      spec.rope.theta = 700.0;
      spec.local_rope.theta = 50.0;
      spec.shape.local = {.window = 3, .global_every = global_every};
      const auto model = random_model(spec, layers);
      const fs::path folder = temp / fmt::format("{}-{}", global_every, layers);
      fs::create_directory(folder);
      save_hf_model(*model, folder, {.pad = 0, .cls = 1, .sep = 2});
      const auto loaded = load_hf_model(folder, test_device());
      EXPECT_EQ(loaded->spec(), spec);
      EXPECT_TRUE(loaded->parameters().values().equal(model->parameters().values()));
      folders.push_back(folder);
      logits.push_back(logits_at(*model, inputs, layers));
    }
  }
  const std::vector<at::Tensor> theirs = transformers_logits64(folders, inputs);
  for (size_t i = 0; i < folders.size(); ++i)
    EXPECT_LT(largest_difference(theirs[i], logits[i]), 1e-5 * size_of(theirs[i])) << folders[i];
}

TEST(ModernBert, AModelThatSharesItsLayersKeepsTheNormOfTheFirstBesideItsFolder) {
  const TempDir temp;
  const ModelSpec spec = small_spec_of(Architecture::kModernBert, 6);
  const auto model = random_model(spec, 2);
  save_hf_model(*model, temp.path(), {});
  for (const auto& [name, tensor] : read_safetensors(temp / "model.safetensors").tensors)
    EXPECT_NE(name, kOwnNorm);
  const auto loaded = load_hf_model(temp.path(), test_device());
  EXPECT_TRUE(loaded->parameters().values().equal(model->parameters().values()));
  const fs::path file = temp / "apollo/parameters.safetensors";
  write_safetensors(file, {{"model.layers.1.attn_norm.weight", at::ones({20})}}, {});
  EXPECT_EQ(thrown_text<CheckpointError>([&] { load_hf_model(temp.path(), test_device()); }),
            file.string() + ": expected parameter 'model.layers.0.attn_norm.weight' of 20 numbers");
  fs::remove(file);
  EXPECT_EQ(thrown_text<CheckpointError>([&] { load_hf_model(temp.path(), test_device()); }),
            temp.path().string() +
                ": there is no apollo/parameters.safetensors, which holds "
                "'model.layers.0.attn_norm.weight' of a model that shares its layers (hint: "
                "without the key 'apollo' in config.json it is one of 2 layers that it does not "
                "share)");
  // A final model works without it.
  const auto final_model = random_model(spec, 6);
  save_hf_model(*final_model, temp.path(), {});
  fs::remove(file);
  const auto again = load_hf_model(temp.path(), test_device());
  EXPECT_TRUE(again->parameters().tensor(kOwnNorm).eq(1.0).all().item<bool>());
  const at::Tensor inputs = random_tokens(spec, 2, 9);
  EXPECT_EQ(largest_difference(logits_at(*again, inputs, 6), logits_at(*final_model, inputs, 6)),
            0.0);
}

// Computed by hand: block 0 has no norm and places 1 and 2 are local, in a pass over one shared
// layer.
TEST(ModernBert, KindAndNormBelongToThePlace) {
  const ModelSpec spec = small_spec_of(Architecture::kModernBert, 6);
  const auto model = random_model(spec, 1);
  const at::Tensor inputs = random_tokens(spec, 2, 12);
  const at::Tensor before = logits_at(*model, inputs, 1);
  const at::Tensor before_deep = logits_at(*model, inputs, 2);
  const at::NoGradGuard no_grad;
  model->parameters().part("attn_norm.weight", 0).mul_(3.0);
  EXPECT_EQ(largest_difference(logits_at(*model, inputs, 1), before), 0.0);
  EXPECT_GT(largest_difference(logits_at(*model, inputs, 2), before_deep), 1e-2);
}

// Block 0 adds nothing here, so two blocks of window 2 carry a token 4 places far.
TEST(ModernBert, LocalBlocksSeeTheirWindow) {
  const auto reached = [](int64_t global_every) {
    ModelSpec spec = small_spec_of(Architecture::kModernBert, 3);
    spec.shape.local = {.window = 2, .global_every = global_every};
    const auto model = random_model(spec, 3);
    const at::NoGradGuard no_grad;
    for (const char* part : {"attn.Wo.weight", "mlp.Wo.weight"})
      model->parameters().part(part, 0).zero_();
    const at::Tensor inputs = random_tokens(spec, 1, 12);
    at::Tensor changed = inputs.clone();
    changed.select(1, 0).add_(1).remainder_(spec.shape.vocab_size);
    const at::Tensor difference = model->hidden({inputs}, model->blocks(3), {}) -
                                  model->hidden({changed}, model->blocks(3), {});
    int64_t last = 11;
    while (difference.select(1, last).abs().max().item<double>() == 0.0)
      --last;
    return last;
  };
  EXPECT_EQ(reached(3), 4);
  EXPECT_EQ(reached(2), 11) << "place 2 is global";
  EXPECT_EQ(reached(1), 11);
}

// This holds if old layers come to places of their kind: with new layers on top, or at twice their
// place if every third block is global.
TEST(ModernBert, NewLayersWithoutOutputChangeNothingWhereKindsStay) {
  const auto change = [](int64_t global_every, const LayerMap& map) {
    ModelSpec spec = small_spec_of(Architecture::kModernBert, 6);
    spec.shape.local.global_every = global_every;
    const auto model = random_model(spec, 3);
    const at::Tensor inputs = random_tokens(spec, 2, 9);
    const auto grown = grow_model(*model, map, {.kind = NewLayers::kIdentity});
    return largest_difference(logits_at(*grown, inputs, 6), logits_at(*model, inputs, 3));
  };
  EXPECT_EQ(change(2, {0, 1, 2, 0, 1, 2}), 0.0);
  EXPECT_EQ(change(3, {0, 0, 1, 1, 2, 2}), 0.0);
  EXPECT_GT(change(2, {0, 0, 1, 1, 2, 2}), 1e-2);
}

TEST(ModernBert, RefusesWhatIsLongerThanItsContext) {
  const auto model = random_model(small_spec_of(Architecture::kModernBert, 2), 2);
  EXPECT_EQ(
      thrown_text<UsageError>([&] { logits_at(*model, random_tokens(model->spec(), 1, 13), 2); }),
      "a sequence of 13 tokens does not fit the context of 12");
}

}  // namespace
}  // namespace apollo
