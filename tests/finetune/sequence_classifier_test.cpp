#include "finetune/sequence_classifier.h"

#include <gtest/gtest.h>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>

#include <cmath>

#include "base/json_lines.h"
#include "finetune/predict.h"
#include "finetune/written_files.h"
#include "model/hf_folder.h"
#include "model/made_up_model.h"
#include "model/safetensors.h"
#include "support/python_original.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

const char* const kScript = "tests/finetune/classifier_reference.py";

// Bodies that transformers made, once for all tests.
const TempDir& bodies() {
  static const TempDir dir;
  static const std::string made = run_python(kScript, "make '" + dir.path().string() + "'");
  return dir;
}

// Writes a classifier on `body` as a folder and compares its logits with those of transformers.
// Returns what transformers printed about it.
std::string compare_logits(const std::string& body, bool pairs,
                           const std::vector<std::string>& labels,
                           Pooling pooling = Pooling::kAuto) {
  const TempDir dir;
  const auto folder = bodies() / body;
  const ClassifierStart start(folder, 0, 0.1, at::kCPU, pooling);
  SequenceClassifier classifier =
      start.make(static_cast<int64_t>(std::max<size_t>(1, labels.size())));
  start.restart(classifier, {.seed = 5});
  {
    const at::NoGradGuard no_grad;
    classifier.head().values().mul_(10.0);  // logits that differ by more than rounding
  }
  const bool shifts = labels.empty() && takes_shift(start.spec().shape.architecture);
  classifier.rescale_output(3.0, shifts ? 700.0 : 0.0);
  const bool masked = objective_of(start.spec().shape.architecture) == Objective::kMasked;
  const auto tokenizer = load_tokenizer(masked ? folder.string() : "bytes");
  const RowTokens tokens =
      row_tokens(*tokenizer, objective_of(start.spec().shape.architecture), "here");
  TaskRows rows;
  // Texts of unequal length, one too long, one empty, and one that ends with the padding token.
  rows.texts = {"w1 w2 w3",
                "w4",
                "w5 w6 w7c1 w8 w9 zz",
                "w3 w4 w5 w6 w7 w8 w9 w1 w2 w3 w4 w5 w6 w7 w8 w9 w1 w2 w3 w4 w5 w6 w7 w8",
                "",
                masked ? "w1 [PAD]" : "w1<|endoftext|>"};
  if (pairs) rows.pairs = {"w1", "w2 w3 w1 w9", "w3", "w1 w2", "w9", ""};
  Json listed = Json::array();
  for (size_t i = 0; i < rows.texts.size(); ++i) {
    listed.push_back(pairs ? Json{rows.texts[i], rows.pairs[i]} : Json::array({rows.texts[i]}));
  }
  constexpr int64_t kMaxLength = 22;
  const EncodedRows encoded = encode_rows(rows, *tokenizer, tokens, kMaxLength);
  EXPECT_GE(encoded.num_truncated, 1);
  const at::Tensor ours = predict(classifier, encoded, tokens.padding, Precision::kFp32);
  std::filesystem::create_directory(dir / "model");
  save_classifier(classifier, {start.config(), labels, *tokenizer, tokens, kMaxLength},
                  dir / "model");
  write_text(dir, "rows.json", listed.dump());
  const std::string said = run_python(kScript, "logits '" + (dir / "model").string() + "' '" +
                                                   (dir / "rows.json").string() + "' '" +
                                                   (dir / "out.safetensors").string() + "'");
  const at::Tensor theirs = read_safetensors(dir / "out.safetensors").tensors.at(0).second;
  EXPECT_EQ(ours.sizes(), theirs.sizes());
  // For logits of some tens in float32, in which transformers computes too.
  const double size = std::max(10.0, theirs.abs().max().item<double>());
  EXPECT_LT(largest_difference(ours, theirs), shifts ? 1e-3 : 1e-5 * size);
  EXPECT_GT(largest_difference(ours[0], ours[1]), 1e-2);
  return said.substr(said.rfind('\n', said.size() - 2) + 1);
}

TEST(SequenceClassifier, BertIsThatOfTransformers) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  EXPECT_EQ(compare_logits("bert", false, {"no", "maybe", "yes"}),
            "BertForSequenceClassification single_label_classification 3 "
            "{0: 'no', 1: 'maybe', 2: 'yes'} {'no': 0, 'maybe': 1, 'yes': 2} 0\n");
  EXPECT_EQ(compare_logits("bert_lm", true, {}),
            "BertForSequenceClassification regression 1 {0: 'score'} {'score': 0} 0\n");
}

TEST(SequenceClassifier, Gpt2IsThatOfTransformers) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  EXPECT_EQ(compare_logits("gpt2", false, {"no", "yes"}),
            "GPT2ForSequenceClassification single_label_classification 2 {0: 'no', 1: 'yes'} "
            "{'no': 0, 'yes': 1} 256\n");
  EXPECT_EQ(compare_logits("gpt2", true, {}),
            "GPT2ForSequenceClassification regression 1 {0: 'score'} {'score': 0} 256\n");
}

TEST(SequenceClassifier, LlamaAndQwen3AreThoseOfTransformers) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  for (const auto& [body, name] : {std::pair{"llama", "Llama"}, {"qwen3", "Qwen3"}}) {
    EXPECT_EQ(compare_logits(body, false, {"no", "yes"}),
              std::string(name) +
                  "ForSequenceClassification single_label_classification 2 {0: 'no', 1: 'yes'} "
                  "{'no': 0, 'yes': 1} 256\n");
    EXPECT_EQ(compare_logits(body, true, {}),
              std::string(name) +
                  "ForSequenceClassification regression 1 {0: 'score'} {'score': 0} 256\n");
  }
}

TEST(SequenceClassifier, ModernBertIsThatOfTransformers) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  for (const Pooling pooling : {Pooling::kCls, Pooling::kMean}) {
    SCOPED_TRACE(enum_name(pooling));
    EXPECT_EQ(compare_logits("modernbert_lm", false, {"no", "maybe", "yes"}, pooling),
              "ModernBertForSequenceClassification single_label_classification 3 "
              "{0: 'no', 1: 'maybe', 2: 'yes'} {'no': 0, 'maybe': 1, 'yes': 2} 0\n");
    EXPECT_EQ(compare_logits("modernbert", true, {}, pooling),
              "ModernBertForSequenceClassification regression 1 {0: 'score'} {'score': 0} 0\n");
  }
}

// The part of the language head that a classifier keeps is the pre-trained one. The last layer is
// initialised by the width, whatever init_std is.
TEST(SequenceClassifier, OfModernBertBeginsWithThePretrainedTransform) {
  const TempDir dir;
  const ModelSpec spec = small_spec_of(Architecture::kModernBert, 4);
  const auto model = random_model(spec, 2);
  save_hf_model(*model, dir.path(), {});
  Json config = read_json(dir / "config.json");
  const auto start = [&](Pooling pooling) {
    return ClassifierStart(dir.path(), 0, 0.25, at::kCPU, pooling);
  };
  EXPECT_EQ(start(Pooling::kAuto).pooling(), Pooling::kCls);
  config["classifier_pooling"] = "mean";
  write_text(dir, "config.json", config.dump());
  EXPECT_EQ(start(Pooling::kCls).pooling(), Pooling::kCls);
  const ClassifierStart mean = start(Pooling::kAuto);
  EXPECT_EQ(mean.pooling(), Pooling::kMean);
  EXPECT_EQ(mean.config()["classifier_pooling"], "mean");
  EXPECT_EQ(mean.config()["classifier_dropout"], 0.25);
  EXPECT_EQ(mean.config()["layer_types"].size(), 4U) << "unrolled";
  SequenceClassifier classifier = mean.make(300);
  mean.restart(classifier, {.seed = 1});
  for (const char* name : {"head.dense.weight", "head.norm.weight"}) {
    EXPECT_TRUE(
        at::equal(classifier.body().parameters().tensor(name), model->parameters().tensor(name)));
  }
  EXPECT_NEAR(classifier.head().tensor("classifier.weight").std().item<double>(),
              0.8796 / std::sqrt(20.0), 4e-3);
  save_hf_model(*random_model(small_spec(4), 2), dir.path(), {});
  EXPECT_EQ(thrown_text<UsageError>([&] { start(Pooling::kMean); }),
            "train.pooling: a classifier of architecture 'gpt2' reads one token, 'last'");
}

TEST(SequenceClassifier, WithoutABiasThereIsNoShift) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  const ClassifierStart start(bodies() / "llama", 0, 0.1, at::kCPU);
  SequenceClassifier classifier = start.make(1);
  EXPECT_THROW(classifier.rescale_output(2.0, 1.0), UsageError);
  EXPECT_NO_THROW(classifier.rescale_output(2.0, 0.0));
}

TEST(SequenceClassifier, OutputsAreRescaledExactly) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  for (const std::string body : {"bert", "gpt2"}) {
    const ClassifierStart start(bodies() / body, 0, 0.1, at::kCPU);
    SequenceClassifier classifier = start.make(1);
    start.restart(classifier, {.seed = 5});
    EncodedRows rows;
    rows.ids = {7, 8, 9, 10, 11};
    rows.begins = {0, 3, 5};
    rows.first_segments = {3, 2};
    const at::Tensor before = predict(classifier, rows, 0, Precision::kFp32);
    classifier.rescale_output(0.5, 5000.0);
    const at::Tensor after = predict(classifier, rows, 0, Precision::kFp32);
    EXPECT_GT(largest_difference(before[0], before[1]), 1e-3);
    EXPECT_LT(largest_difference(after, before * 0.5 + 5000.0), 2e-3) << body;
  }
}

// The fine-tuned model keeps everything else of its folder's config.json.
TEST(SequenceClassifier, KeepsTheConfigOfItsFolder) {
  const TempDir dir;
  save_hf_model(*random_model(small_spec(4), 2), dir.path(), {});
  Json config = read_json(dir / "config.json");
  config["eos_token_id"] = {3, 5};
  config["dtype"] = "bfloat16";
  config["attn_pdrop"] = 0.3;
  config["task_specific_params"] = {{"a", 1}};
  write_text(dir, "config.json", config.dump());
  const ClassifierStart start(dir.path(), 3, 0.25, at::kCPU);
  Json expected = config;
  expected["n_layer"] = 3;
  for (const char* key : {"resid_pdrop", "embd_pdrop", "attn_pdrop"})
    expected[key] = 0.25;
  expected["apollo"]["final_layers"] = 3;
  EXPECT_EQ(start.config(), expected);
}

TEST(SequenceClassifier, StartsFromAPretrainedPoolerWhereThereIsOne) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  const auto pooler_of = [](const std::string& body, const StartOptions& options) {
    const ClassifierStart start(bodies() / body, 0, 0.1, at::kCPU);
    SequenceClassifier classifier = start.make(2);
    start.restart(classifier, options);
    return classifier.head().tensor("bert.pooler.dense.weight").detach().clone();
  };
  const auto stored = read_folder_rest(bodies() / "bert").find("bert.pooler.dense.weight");
  ASSERT_TRUE(stored.has_value());
  EXPECT_TRUE(at::equal(pooler_of("bert", {.seed = 1}), *stored));
  EXPECT_FALSE(at::equal(pooler_of("bert", {.seed = 1, .random_weights = true}), *stored));
  const at::Tensor drawn = pooler_of("bert_lm", {.seed = 1});
  EXPECT_NEAR(drawn.pow(2).mean().item<double>(), 0.02 * 0.02, 4e-5);
  EXPECT_FALSE(at::equal(drawn, pooler_of("bert_lm", {.seed = 2})));
}

TEST(SequenceClassifier, UnrollsSharedLayers) {
  const TempDir dir;
  // Two unique layers of a final four.
  const auto model = random_model(small_spec(4), 2);
  save_hf_model(*model, dir.path(), {});
  const ClassifierStart start(dir.path(), 0, 0.0, at::kCPU);
  EXPECT_EQ(start.spec().shape.layers, 4);
  SequenceClassifier classifier = start.make(2);
  start.restart(classifier, {});
  const at::Tensor inputs = random_tokens(model->spec(), 2, 5);
  const at::NoGradGuard no_grad;
  EXPECT_TRUE(at::equal(classifier.body().hidden({inputs}, {0, 1, 2, 3}, {}),
                        model->hidden({inputs}, model->blocks(4), {})));
  EXPECT_EQ(ClassifierStart(dir.path(), 2, 0.0, at::kCPU).spec().shape.layers, 2);
  EXPECT_EQ(thrown_text<UsageError>([&] { ClassifierStart(dir.path(), 1, 0.0, at::kCPU); }),
            "train.depth 1 is too small: the model has 2 unique layers; expected 2 or more");
}

}  // namespace
}  // namespace apollo
