#include "config/validate.h"

#include <gtest/gtest.h>

#include "config/load_helpers.h"

namespace apollo {
namespace {

std::string error_of(const std::string& override, const std::string& second = "run.seed=1") {
  return load_error("[data]\ntrain = [\"a.txt\"]\n", {override, second});
}

TEST(Validate, DefaultsWithATextAreGood) {
  EXPECT_EQ(error_of("run.seed=2"), "");
}

TEST(Validate, NoText) {
  EXPECT_EQ(load_error(""),
            "data.train: error: data.train names no text\n"
            "  hint: for example train = [\"text/*.txt\"]");
}

TEST(Validate, Run) {
  EXPECT_EQ(error_of("run.name=a/b"),
            "--set: error: run.name must be the name of a folder (got 'a/b')\n"
            "  hint: --out places the run elsewhere");
  for (const char* device : {"auto", "cpu", "cuda", "cuda:0", "cuda:12"}) {
    EXPECT_EQ(error_of(std::string("run.device=") + device), "");
  }
  for (const char* device : {"gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", ""}) {
    EXPECT_EQ(error_of(std::string("run.device=") + device),
              fmt::format("--set: error: run.device must be 'auto', 'cpu', 'cuda' or 'cuda:N' (got "
                          "'{}')",
                          device));
  }
  EXPECT_EQ(error_of("run.threads=-1"), "--set: error: run.threads must be at least 0 (got -1)");
}

TEST(Validate, Optimizer) {
  EXPECT_EQ(error_of("train.optimizer=muon"), "");
  EXPECT_EQ(error_of("train.optimizer=moun"),
            "--set: error: train.optimizer must be one of 'adamw', 'muon' (got string 'moun')\n"
            "  hint: did you mean 'muon'?");
  EXPECT_EQ(load_error("[data]\ntrain = [\"a.txt\"]\n",
                       {"train.optimizer=muon", "model.width=1", "model.heads=1"}),
            "--set: error: train.optimizer 'muon' needs a model.width of at least 2 (got 1)\n"
            "  hint: train.optimizer = \"adamw\" takes any");
  EXPECT_EQ(load_error("[data]\ntrain = [\"a.txt\"]\n", {"model.width=1", "model.heads=1"}), "");
}

TEST(Validate, EverySizeHasAnEnd) {
  const std::string huge = "9223372036854775807";
  for (const auto& [key, largest] :
       std::vector<std::pair<std::string, std::string>>{{"run.threads", "4096"},
                                                        {"model.layers", "10000"},
                                                        {"model.context", "16777216"},
                                                        {"model.vocab_size", "2147483647"},
                                                        {"train.batch_size", "1048576"},
                                                        {"progressive.stratify", "1048576"},
                                                        {"progressive.source_steps", "1000000000"},
                                                        {"eval.batch_size", "1048576"}}) {
    const std::string expected = key + " must be at most " + largest + " (got " + huge + ")";
    EXPECT_NE(error_of(key + "=" + huge).find(expected), std::string::npos) << key;
  }
  EXPECT_NE(error_of("model.width=" + huge).find("model.width must be at most 1048576"),
            std::string::npos);
  EXPECT_NE(error_of("model.heads=" + huge).find("model.heads must be at most 1048576"),
            std::string::npos);
  EXPECT_NE(error_of("data.tokenizer=train:bpe:" + huge).find("at most 2147483647 entries"),
            std::string::npos);
}

TEST(Validate, Data) {
  EXPECT_EQ(error_of("data.valid_fraction=1"),
            "--set: error: data.valid_fraction must be at least 0 and below 1 (got 1)");
  EXPECT_EQ(error_of("data.valid_fraction=0.1", "data.valid=v.txt"),
            "--set: error: data.valid and data.valid_fraction exclude each other\n"
            "  hint: remove one of them");
  EXPECT_EQ(error_of("data.tokenizer=train:wordpiece:100"), "");
  EXPECT_EQ(
      error_of("data.tokenizer=train:bpe:many"),
      "--set: error: data.tokenizer must be a folder, 'train:bpe:SIZE', 'train:wordpiece:SIZE', "
      "'train:wordpiece-cased:SIZE', 'bytes' or empty (got 'train:bpe:many')\n  hint: for example "
      "\"train:bpe:8192\"");
  EXPECT_EQ(error_of("data.tokenizer=train:bpe:256"),
            "--set: error: a byte-level vocabulary has at least 257 entries (got 256)");
}

TEST(Validate, Model) {
  EXPECT_EQ(error_of("model.heads=5"),
            "--set: error: model.heads must divide model.width (got 5 heads, width 384)");
  EXPECT_EQ(error_of("model.heads=0"), "--set: error: model.heads must be at least 1 (got 0)");
  EXPECT_EQ(error_of("model.layers=0"), "--set: error: model.layers must be at least 1 (got 0)");
  EXPECT_EQ(error_of("model.dropout=1.0"),
            "--set: error: model.dropout must be at least 0 and below 1 (got 1)");
  EXPECT_EQ(error_of("model.init_std=0.0"),
            "--set: error: model.init_std must be positive (got 0)");
}

TEST(Validate, KeysThatAnArchitectureHasNot) {
  const std::string hint =
      "\n  hint: remove it, or set model.architecture = \"llama\" or \"qwen3\"";
  EXPECT_EQ(error_of("model.kv_heads=2"),
            "--set: error: model.kv_heads is no key of architecture 'gpt2', where every head has "
            "its own keys and values" +
                hint);
  EXPECT_EQ(error_of("model.head_dim=64"),
            "--set: error: model.head_dim is no key of architecture 'gpt2', whose heads divide the "
            "width" +
                hint);
  EXPECT_EQ(error_of("model.rope_theta=1e6"),
            "--set: error: model.rope_theta is no key of architecture 'gpt2', which learns its "
            "positions" +
                hint);
  EXPECT_EQ(error_of("model.tie_embeddings=false"),
            "--set: error: model.tie_embeddings is no key of architecture 'gpt2', whose output "
            "layer always has the embedding's weights" +
                hint);
  for (const char* fits :
       {"model.tie_embeddings=true", "model.tie_embeddings=auto", "model.inner_width=100",
        "model.norm_epsilon=1e-6", "model.kv_heads=0"}) {
    EXPECT_EQ(error_of(fits), "");
  }
}

TEST(Validate, LocalBlocksAreModernBerts) {
  for (const char* key : {"local_attention", "global_attn_every_n_layers", "local_rope_theta"}) {
    EXPECT_EQ(error_of(fmt::format("model.{}=7", key)),
              fmt::format("--set: error: model.{} is no key of architecture 'gpt2', whose blocks "
                          "all see the whole sequence\n  hint: remove it, or set "
                          "model.architecture = \"modernbert\"",
                          key));
  }
  const auto error = [](const std::vector<std::string>& overrides) {
    return load_error(
        "[data]\ntrain = [\"a\"]\ntokenizer = \"train:bpe:8192\"\n[model]\narchitecture = "
        "\"modernbert\"\n",
        overrides);
  };
  EXPECT_EQ(error({}), "");
  EXPECT_EQ(error({"model.local_attention=31", "model.global_attn_every_n_layers=1",
                   "model.local_rope_theta=500", "model.rope_theta=9e4", "data.masked_fraction=0.3",
                   "data.separate_documents=true"}),
            "");
  EXPECT_EQ(error({"model.local_attention=1"}),
            "--set: error: model.local_attention must be 0 or at least 2 (got 1)");
  EXPECT_EQ(error({"model.global_attn_every_n_layers=-1"}),
            "--set: error: model.global_attn_every_n_layers must be at least 0 (got -1)");
  EXPECT_EQ(error({"model.heads=384"}),
            "--set: error: the width of a head must be even, since rotation takes pairs (got 1, "
            "width / heads)\n  hint: set model.heads");
  EXPECT_EQ(
      error({"data.tokenizer=bytes"}),
      "--set: error: data.tokenizer must be one with a [MASK] for 'modernbert' (got 'bytes')\n"
      "  hint: for example \"train:wordpiece:8192\", \"train:bpe:8192\" or the folder of a "
      "BERT");
  EXPECT_EQ(error({"model.kv_heads=2"}),
            "--set: error: model.kv_heads is no key of architecture 'modernbert', where every head "
            "has its own keys and values\n  hint: remove it, or set model.architecture = \"llama\" "
            "or \"qwen3\"");
}

TEST(Validate, SizesOfLlamaAndQwen3) {
  const auto error = [](const std::vector<std::string>& overrides) {
    return load_error("[data]\ntrain = [\"a\"]\n[model]\narchitecture = \"qwen3\"\n", overrides);
  };
  EXPECT_EQ(error({}), "");
  EXPECT_EQ(error({"model.kv_heads=2", "model.head_dim=10", "model.rope_theta=1e6",
                   "model.tie_embeddings=false"}),
            "");
  EXPECT_EQ(error({"model.heads=5", "model.head_dim=10"}), "") << "heads need not divide the width";
  EXPECT_EQ(error({"model.kv_heads=4"}),
            "--set: error: model.kv_heads must divide model.heads (got 4 of 6 heads)");
  EXPECT_EQ(error({"model.head_dim=7"}),
            "--set: error: the width of a head must be even, since rotation takes pairs (got 7)\n"
            "  hint: set model.head_dim");
  EXPECT_EQ(error({"model.width=6"}),
            "--set: error: the width of a head must be even, since rotation takes pairs (got 1, "
            "width / heads)\n  hint: set model.head_dim");
  EXPECT_EQ(error({"model.rope_theta=-1"}),
            "--set: error: model.rope_theta must be at least 0 (got -1)");
  EXPECT_EQ(
      error({"model.tie_embeddings=\"yes\""}),
      "--set: error: model.tie_embeddings must be true, false or \"auto\" (got string 'yes')");
}

std::string bert_error(const std::vector<std::string>& overrides) {
  return load_error(
      "[data]\ntrain = [\"a.txt\"]\ntokenizer = \"vocabulary\"\n"
      "[model]\narchitecture = \"bert\"\n",
      overrides);
}

TEST(Validate, BertWithItsKeys) {
  EXPECT_EQ(bert_error({}), "");
  EXPECT_EQ(bert_error({"data.mask_whole_words=true", "data.separate_documents=true",
                        "data.masked_fraction=0.4", "data.tokenizer=train:wordpiece:8192",
                        "model.context=3"}),
            "");
}

TEST(Validate, BertNeedsATokenizerWithAMask) {
  const std::string expected = "error: data.tokenizer must be one with a [MASK] for 'bert' (got ";
  const std::string hint =
      ")\n  hint: for example \"train:wordpiece:8192\", \"train:bpe:8192\" or the folder of a "
      "BERT";
  EXPECT_EQ(bert_error({"data.tokenizer=train:bpe:8192"}), "");
  for (const std::string tokenizer : {"bytes", ""}) {
    EXPECT_EQ(bert_error({"data.tokenizer=" + tokenizer}),
              "--set: " + expected + "'" + tokenizer + "'" + hint);
  }
  EXPECT_EQ(load_error("[data]\ntrain = [\"a\"]\n[model]\narchitecture = \"bert\"\n"),
            "run.toml:4:16: " + expected + "'bytes', the default" + hint);
  EXPECT_EQ(error_of("data.tokenizer=train:wordpiece:8192"), "") << "GPT-2 may have WordPiece";
}

TEST(Validate, APretokenizerNeedsByteLevelBpeThatIsTrainedHere) {
  EXPECT_EQ(load_error("[data]\ntrain = [\"a\"]\n",
                       {"data.tokenizer=train:bpe:8192", "data.pretokenizer=llama3"}),
            "");
  EXPECT_EQ(load_error("[data]\ntrain = [\"a\"]\ntokenizer = \"dir\"\npretokenizer = \"qwen\"\n"),
            "run.toml:4:16: error: data.pretokenizer is for a tokenizer that is trained here as "
            "byte-level BPE (got 'qwen' with data.tokenizer = 'dir')\n"
            "  hint: data.tokenizer = \"train:bpe:8192\", or leave data.pretokenizer out");
}

TEST(Validate, BertNeedsRoomAndSomethingToPredict) {
  EXPECT_EQ(bert_error({"model.context=2"}),
            "--set: error: model.context must be at least 3 for 'bert' (got 2)\n"
            "  hint: [CLS] and [SEP] take two of its tokens");
  EXPECT_EQ(bert_error({"model.context=0"}),
            "--set: error: model.context must be at least 1 (got 0)");
  for (const std::string fraction : {"0", "1", "-0.1", "15"}) {
    EXPECT_EQ(
        bert_error({"data.masked_fraction=" + fraction}),
        "--set: error: data.masked_fraction must be above 0 and below 1 (got " + fraction + ")");
  }
}

TEST(Validate, MaskingIsForMaskedModelsOnly) {
  const auto expected = [](const std::string& key) {
    return "--set: error: data." + key +
           " is for architectures 'bert' and 'modernbert', which mask tokens\n"
           "  hint: remove it, or set model.architecture = \"bert\" or \"modernbert\"";
  };
  EXPECT_EQ(error_of("data.masked_fraction=0.2"), expected("masked_fraction"));
  EXPECT_EQ(error_of("data.mask_whole_words=true"), expected("mask_whole_words"));
  EXPECT_EQ(error_of("data.separate_documents=true"), "") << "it is for all";
  EXPECT_EQ(error_of("model.architecture=gtp2", "data.masked_fraction=0.2"),
            "--set: error: model.architecture must be one of 'gpt2', 'bert', 'llama', 'qwen3', "
            "'modernbert' (got "
            "string 'gtp2')\n"
            "  hint: did you mean 'gpt2'?");
}

TEST(Validate, PointsAtTheKeyThatWasWritten) {
  EXPECT_EQ(load_error("[data]\ntrain = [\"a\"]\n[model]\nwidth = 100\n"),
            "run.toml:4:9: error: model.heads must divide model.width (got 6 heads, width 100)");
}

TEST(Validate, Train) {
  EXPECT_EQ(error_of("train.batch_size=0"),
            "--set: error: train.batch_size must be at least 1 (got 0)");
  EXPECT_EQ(error_of("train.micro_batch_size=65"),
            "--set: error: train.micro_batch_size cannot exceed train.batch_size (got 65 of 64)");
  EXPECT_EQ(error_of("train.micro_batch_size=63"), "");
  EXPECT_EQ(error_of("train.lr=0"), "--set: error: train.lr must be positive (got 0)");
  EXPECT_EQ(error_of("train.lr_final=1.5"),
            "--set: error: train.lr_final is a fraction of train.lr, 0 to 1 (got 1.5)");
  EXPECT_EQ(error_of("train.betas=[0.9]"),
            "--set: error: train.betas must be two numbers (got 1)\n"
            "  hint: for example betas = [0.9, 0.95]");
  EXPECT_EQ(error_of("train.betas=[0.9, 1.0]"),
            "--set: error: train.betas[1] must be at least 0 and below 1 (got 1)");
  EXPECT_EQ(error_of("train.clip=-1"), "--set: error: train.clip must be at least 0 (got -1)");
  EXPECT_EQ(error_of("train.warmup=101%"),
            "--set: error: train.warmup is longer than the run (got '101%')");
  EXPECT_EQ(error_of("train.warmup=90%"), "");
  EXPECT_EQ(error_of("train.warmup=90%", "train.lr_schedule=wsd"),
            "--set: error: train.warmup and train.decay overlap (got '90%' and '20%')");
}

TEST(Validate, TheRest) {
  EXPECT_EQ(error_of("progressive.rehearse_from=1.0"),
            "--set: error: progressive.rehearse_from must be at least 0 and below 1 (got 1)");
  EXPECT_EQ(error_of("eval.depths=[]"),
            "--set: error: eval.depths names no depth\n"
            "  hint: for example depths = [\"stage\", \"full\"]");
  EXPECT_EQ(error_of("checkpoint.keep=0"),
            "--set: error: checkpoint.keep must be at least 1 (got 0)");
}

TEST(Validate, EverythingAtOnce) {
  EXPECT_EQ(error_of("train.lr=-1", "model.layers=-3"),
            "--set: error: model.layers must be at least 1 (got -3)\n"
            "--set: error: train.lr must be positive (got -1)");
}

TEST(Validate, Progressive) {
  EXPECT_EQ(error_of("progressive.stratify=-1"),
            "--set: error: progressive.stratify must be at least 0 (got -1)");
  EXPECT_EQ(error_of("progressive.rewarm=101%"),
            "--set: error: progressive.rewarm is longer than the run (got '101%')");
  EXPECT_EQ(error_of("progressive.new_layers=identitiy"),
            "--set: error: progressive.new_layers must be one of 'copy', 'identity', 'random' "
            "(got string 'identitiy')\n"
            "  hint: did you mean 'identity'?");
  EXPECT_EQ(error_of("progressive.lr_depth_power=-0.5", "progressive.rewarm=2%"), "");
}

TEST(Validate, KeysThatWereRemovedSayWhy) {
  EXPECT_EQ(error_of("progressive.trial_steps=10"),
            "--set: error: key 'progressive.trial_steps' was removed\n"
            "  hint: trials of layer maps cost more than they saved (docs/results/ideas.md); leave "
            "the key out");
  EXPECT_EQ(error_of("progressive.grow_when=ready"),
            "--set: error: key 'progressive.grow_when' was removed\n"
            "  hint: growth when the model is ready saved no more than fixed stages "
            "(docs/results/ideas.md); leave the key out");
  EXPECT_EQ(error_of("progressive.optimizer_state=transport_scaled"),
            "--set: error: progressive.optimizer_state must be one of 'transport', 'keep', 'reset' "
            "(got string 'transport_scaled')\n"
            "  hint: moments scaled by their use saved no more than transported ones "
            "(docs/results/ideas.md); leave the key out");
}

TEST(Validate, NamesOfOtherProgramsLeadToOurKeys) {
  EXPECT_EQ(error_of("train.learning_rate=1e-3"),
            "--set: error: unknown key 'train.learning_rate'\n  hint: use train.lr");
  EXPECT_EQ(error_of("model.n_embd=64"),
            "--set: error: unknown key 'model.n_embd'\n  hint: use model.width");
  EXPECT_EQ(error_of("max_iters=100"),
            "--set: error: unknown key 'max_iters'\n  hint: use train.duration");
}

}  // namespace
}  // namespace apollo
