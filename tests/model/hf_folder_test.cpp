// Folders that go from here to `transformers` and back, and invalid folders.
#include "model/hf_folder.h"

#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/json_lines.h"
#include "model/made_up_model.h"
#include "model/safetensors.h"
#include "model/transformers_logits.h"
#include "support/python_original.h"
#include "support/test_device.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

TEST(HfFolder, TransformersLoadsWhatIsSavedHere) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  const TempDir temp;
  const auto model = random_model(small_spec(12), 3);
  save_hf_model(*model, temp.path(), {.bos = 30, .eos = 30});
  const at::Tensor inputs = random_tokens(model->spec(), 3, 12);
  std::string description;
  const at::Tensor found = transformers_logits(temp.path(), inputs, &description);
  EXPECT_NE(description.find("3 layers, bos 30, eos 30"), std::string::npos) << description;
  EXPECT_LT(largest_difference(found, logits_at(*model, inputs, 3)), 1e-5);
}

TEST(HfFolder, RoundTripKeepsWeightsAndWhatTheModelIs) {
  const TempDir temp;
  const auto model = random_model(small_spec(12, LayerMapKind::kStack), 3);
  save_hf_model(*model, temp.path(), {});
  const auto loaded = load_hf_model(temp.path(), test_device());
  EXPECT_EQ(loaded->spec(), model->spec());
  EXPECT_EQ(loaded->num_layers(), 3);
  EXPECT_TRUE(loaded->parameters().values().equal(model->parameters().values()));
}

TEST(HfFolder, LoadsAFolderWithBareNames) {
  const fs::path folder = example_data() / "checkpoints/tiny_gpt2";
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const auto model = load_hf_model(folder, test_device());
  EXPECT_EQ(model->num_layers(), 1);
  EXPECT_EQ(model->spec().shape, (ModelShape{Architecture::kGpt2, 1, 2, 1, 1024, 21}));
  const at::Tensor inputs = random_tokens(model->spec(), 2, 30);
  const at::Tensor here = logits_at(*model, inputs, 1);
  if (!has_venv_python()) GTEST_SKIP() << "no Python to compare with";
  EXPECT_LT(largest_difference(transformers_logits(folder, inputs), here), 1e-5);
}

// A saved model whose tensors are changed before they are written again.
class DamagedFolder : public testing::Test {
 protected:
  void SetUp() override {
    save_hf_model(*random_model(small_spec(2), 2), temp_.path(), {});
    for (auto& [name, tensor] : read_safetensors(temp_ / "model.safetensors").tensors)
      tensors_.emplace(name, tensor);
  }

  // The message of loading the folder with these tensors, its path as DIR.
  std::string load_error() {
    if (!tensors_.empty()) {
      write_safetensors(temp_ / "model.safetensors", {tensors_.begin(), tensors_.end()});
    }
    try {
      load_hf_model(temp_.path(), test_device());
    } catch (const CheckpointError& error) {
      std::string message = error.what();
      const size_t at = message.find(temp_.path().string());
      return at == std::string::npos ? message
                                     : message.replace(at, temp_.path().string().size(), "DIR");
    }
    return "no error";
  }

  void edit_config(const std::string& key, const Json& value) {
    Json config = read_json(temp_ / "config.json");
    config[key] = value;
    write_file_atomic(temp_ / "config.json", config.dump());
  }

  TempDir temp_;
  std::map<std::string, at::Tensor> tensors_;
};

TEST_F(DamagedFolder, OldBuffersAndATiedHeadArePassedOver) {
  tensors_["transformer.h.0.attn.bias"] = at::zeros({1, 1, 12, 12}, at::kByte);
  tensors_["h.1.attn.masked_bias"] = at::full({}, -1e4);
  tensors_["lm_head.weight"] = tensors_["transformer.wte.weight"].clone();
  EXPECT_EQ(load_error(), "no error");
}

TEST_F(DamagedFolder, HalfPrecisionWeightsBecomeFloat32) {
  const at::Tensor before = tensors_["transformer.h.1.mlp.c_fc.weight"].clone();
  for (auto& [name, tensor] : tensors_)
    tensor = tensor.to(at::kHalf);
  EXPECT_EQ(load_error(), "no error");
  const auto model = load_hf_model(temp_.path(), test_device());
  const at::Tensor& after = model->parameters().tensor("transformer.h.1.mlp.c_fc.weight");
  EXPECT_EQ(after.scalar_type(), at::kFloat);
  EXPECT_LT(largest_difference(after.detach(), before), 1e-3);
}

TEST_F(DamagedFolder, OfTwoTiedTensorsEitherWillDo) {
  tensors_["lm_head.weight"] = tensors_["transformer.wte.weight"];
  tensors_.erase("transformer.wte.weight");
  EXPECT_EQ(load_error(), "no error");
  const auto model = load_hf_model(temp_.path(), test_device());
  EXPECT_TRUE(model->parameters()
                  .tensor("transformer.wte.weight")
                  .detach()
                  .cpu()
                  .equal(tensors_["lm_head.weight"]));
}

TEST_F(DamagedFolder, ATiedCopyInAnotherTypeIsThatOfTheOriginal) {
  const at::Tensor original = tensors_["transformer.wte.weight"];
  tensors_["lm_head.weight"] = original.to(at::kHalf);
  EXPECT_EQ(load_error(), "no error");
  tensors_["transformer.wte.weight"] = original.to(at::kHalf);
  tensors_["lm_head.weight"] = original.to(at::kHalf).to(at::kFloat);
  EXPECT_EQ(load_error(), "no error");
}

TEST_F(DamagedFolder, PrefixesOfTrainingAreTakenOff) {
  const std::map<std::string, at::Tensor> plain = tensors_;
  const auto before = load_hf_model(temp_.path(), test_device());
  for (const std::string prefix : {"module.", "_orig_mod.", "_orig_mod.module."}) {
    tensors_.clear();
    for (const auto& [name, tensor] : plain)
      tensors_[prefix + name] = tensor;
    EXPECT_EQ(load_error(), "no error") << prefix;
    EXPECT_TRUE(load_hf_model(temp_.path(), test_device())
                    ->parameters()
                    .values()
                    .equal(before->parameters().values()));
    tensors_[prefix + "transformer.h.1.ln_1.bias"] = at::zeros({4, 5});
    EXPECT_EQ(load_error(), "DIR: parameter '" + prefix +
                                "transformer.h.1.ln_1.bias': expected shape [20], found [4, 5]");
  }
}

TEST_F(DamagedFolder, HeadsThatAreNotUsedArePassedOver) {
  for (const char* name : {"score.weight", "classifier.bias", "qa_outputs.weight",
                           "multiple_choice_head.summary.bias", "nobody_knows.weight"}) {
    tensors_[name] = at::zeros({2});
  }
  tensors_["transformer.h.0.attn.bias"] = at::zeros({1, 1, 12, 12}, at::kShort);
  EXPECT_EQ(load_error(), "no error");
  EXPECT_EQ(read_folder_rest(temp_.path()).tensors.size(), 5U);
}

TEST_F(DamagedFolder, WeightsMustBeFloatingPointNumbers) {
  tensors_["transformer.ln_f.bias"] = at::zeros({20}, at::kChar);
  EXPECT_EQ(load_error(),
            "DIR: parameter 'transformer.ln_f.bias': expected floating-point numbers, found Char");
}

TEST_F(DamagedFolder, ADerivedFolderKeepsHeadsAndTypeOfItsSource) {
  for (auto& [name, tensor] : tensors_)
    tensor = tensor.to(at::kBFloat16);
  tensors_["score.weight"] = at::full({2, 20}, 0.5).to(at::kBFloat16);
  EXPECT_EQ(load_error(), "no error");
  edit_config("dtype", "bfloat16");
  const auto model = load_hf_model(temp_.path(), at::kCPU);
  const FolderRest rest = read_folder_rest(temp_.path());
  const fs::path out = temp_ / "derived";
  fs::create_directory(out);
  save_derived_model(*model, rest, {model->spec(), model->num_layers()}, out);
  std::map<std::string, at::Tensor> written;
  for (auto& [name, tensor] : read_safetensors(out / "model.safetensors").tensors)
    written.emplace(name, tensor);
  ASSERT_EQ(written.size(), tensors_.size());
  for (const auto& [name, tensor] : tensors_)
    EXPECT_TRUE(written.at(name).equal(tensor)) << name;
  EXPECT_EQ(read_json(out / "config.json"), read_json(temp_ / "config.json"));
}

TEST_F(DamagedFolder, UntiedHead) {
  tensors_["lm_head.weight"] = tensors_["transformer.wte.weight"] + 1.0;
  EXPECT_EQ(load_error(),
            "DIR: 'lm_head.weight' differs from 'transformer.wte.weight'; expected a tied head");
}

TEST_F(DamagedFolder, MissingSurplusAndMisshapenParameters) {
  tensors_["transformer.h.2.ln_1.bias"] = at::zeros({20});
  EXPECT_EQ(load_error(),
            "DIR: parameter 'transformer.h.2.ln_1.bias' does not belong to this architecture");
  tensors_.erase("transformer.h.2.ln_1.bias");
  tensors_["transformer.h.1.ln_1.bias"] = at::zeros({4, 5});
  EXPECT_EQ(load_error(),
            "DIR: parameter 'transformer.h.1.ln_1.bias': expected shape [20], found [4, 5]");
  tensors_.erase("transformer.h.1.ln_1.bias");
  EXPECT_EQ(load_error(), "DIR: parameter 'transformer.h.1.ln_1.bias' is missing");
}

TEST_F(DamagedFolder, ParameterUnderBothNames) {
  tensors_["h.1.ln_1.bias"] = at::zeros({20});
  EXPECT_EQ(load_error(),
            "DIR: parameter 'transformer.h.1.ln_1.bias' stands there twice, also as "
            "'h.1.ln_1.bias'");
}

TEST_F(DamagedFolder, SizesThatTheWeightsDoNotHaveAreNotAllocated) {
  edit_config("vocab_size", 2'000'000'000);
  EXPECT_EQ(load_error(),
            "DIR: parameter 'transformer.wte.weight': expected shape [2000000000, 20], found "
            "[31, 20]");
  edit_config("vocab_size", 31);
  edit_config("apollo", {{"final_layers", 9'000}});
  edit_config("n_layer", 9'000);
  EXPECT_EQ(load_error(), "DIR: config.json asks for 9000 layers, but there are 28 parameters");
}

TEST_F(DamagedFolder, NoWeights) {
  tensors_.clear();
  fs::remove(temp_ / "model.safetensors");
  EXPECT_EQ(load_error(), "DIR: there is no model.safetensors");
  write_file_atomic(temp_ / "pytorch_model.bin", "PK");
  EXPECT_EQ(load_error(),
            "DIR: there is no model.safetensors; hint: save pytorch_model.bin again with "
            "`model.save_pretrained(folder)`");
}

TEST_F(DamagedFolder, DamagedShardIndex) {
  tensors_.clear();
  fs::remove(temp_ / "model.safetensors");
  const auto error_with = [&](const std::string& index) {
    write_file_atomic(temp_ / "model.safetensors.index.json", index);
    return load_error();
  };
  const std::string file = "DIR/model.safetensors.index.json";
  EXPECT_EQ(error_with("{}"), file + ": expected 'weight_map' with a file for each parameter");
  EXPECT_EQ(error_with(R"({"weight_map":{"a":7}})"),
            file + ": expected 'weight_map' with a file for each parameter");
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"../a.safetensors"}})"),
            file + ": shard '../a.safetensors' is not a file of this folder");
  EXPECT_EQ(error_with(R"({"weight_map":{"a":"a.safetensors"}})"),
            "DIR/a.safetensors: cannot open: No such file or directory");
  EXPECT_EQ(error_with("{").substr(0, file.size() + 14), file + ": damaged JSON");
}

}  // namespace
}  // namespace apollo
