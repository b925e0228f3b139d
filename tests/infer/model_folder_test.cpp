#include "infer/model_folder.h"

#include <gtest/gtest.h>

#include "infer/made_up_folder.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

TEST(ModelFolder, OpensAFolderAndTheLatestCheckpointOfARun) {
  const TempDir temp;
  write_bytes_model(temp / "run/checkpoints/step-00000007", bytes_spec(12), 3);
  fs::create_directory_symlink("step-00000007", temp / "run/checkpoints/latest");
  const LoadedModel direct = load_model_folder(temp / "run/checkpoints/step-00000007", at::kCPU);
  const LoadedModel of_run = load_model_folder(temp / "run", at::kCPU);
  EXPECT_EQ(direct.model->num_layers(), 3);
  EXPECT_EQ(of_run.folder, temp / "run/checkpoints/latest");
  EXPECT_TRUE(direct.model->parameters().values().equal(of_run.model->parameters().values()));
  EXPECT_EQ(of_run.tokenizer->hash(), load_tokenizer("bytes")->hash());
  EXPECT_FALSE(direct.model->parameters().gradients().defined());
}

TEST(ModelFolder, NamesWhatIsNoModel) {
  const TempDir temp;
  EXPECT_EQ(
      error_of<CheckpointError>(temp.path(), [&] { load_model_folder(temp / "absent", at::kCPU); }),
      "DIR/absent: no such folder; expected a checkpoint or a run");
  EXPECT_EQ(
      error_of<CheckpointError>(temp.path(), [&] { load_model_folder(temp.path(), at::kCPU); }),
      "DIR: neither config.json nor checkpoints/latest; expected a Hugging Face model folder "
      "or a run that has saved");
}

TEST(ModelFolder, TokenizerMayBeAbsentOrHaveMoreTokensThanATextNeeds) {
  const TempDir temp;
  save_hf_model(*random_model(small_spec(2), 2), temp.path(), {});
  const LoadedModel bare = load_model_folder(temp.path(), at::kCPU);
  EXPECT_EQ(bare.tokenizer, nullptr);
  EXPECT_EQ(error_of<DataError>(temp.path(), [&] { require_tokenizer(bare); }),
            "DIR: the model has no tokenizer, so it cannot work on text; hint: put the "
            "tokenizer.json that made its training data beside it");
  load_tokenizer("bytes")->save(temp.path());
  const LoadedModel loaded = load_model_folder(temp.path(), at::kCPU);
  const auto check = [&](const std::vector<TokenId>& ids) {
    return error_of<DataError>(temp.path(), [&] {
      require_known_tokens(ids, *loaded.tokenizer, loaded.model->spec(), loaded.folder.string());
    });
  };
  EXPECT_EQ(check({0, 30}), "no error");
  EXPECT_EQ(check({0, 'a'}),
            "DIR: token 'a' has id 97, but the model's vocabulary only 31 tokens (the tokenizer "
            "257)");
}

TEST(ModelFolder, PaddedVocabularyIsAccepted) {
  const TempDir temp;
  ModelSpec spec = bytes_spec(2);
  spec.shape.vocab_size = 320;
  write_bytes_model(temp / "padded", spec, 2);
  EXPECT_EQ(load_model_folder(temp / "padded", at::kCPU).tokenizer->vocab_size(), 257);
}

TEST(ModelFolder, DepthOfAPass) {
  const auto model = random_model(small_spec(12), 3);
  EXPECT_EQ(pass_blocks(*model, 0).size(), 12U);
  EXPECT_EQ(pass_blocks(*model, 5), (LayerMap{0, 0, 1, 1, 2}));
  EXPECT_EQ(error_of<UsageError>([&] { pass_blocks(*model, 2); }),
            "depth 2 is too small: the model has 3 unique layers; expected 3 or more");
}

}  // namespace
}  // namespace apollo
