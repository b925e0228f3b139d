#include "infer/zero_shot.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "infer/made_up_folder.h"
#include "infer/score.h"
#include "infer/task_file.h"
#include "support/python_original.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// Models, tasks and expected results from zero_shot_reference.py; one folder for all tests.
const fs::path& reference() {
  static const TempDir temp;
  static const bool made = [] {
    run_python("tests/infer/zero_shot_reference.py", "make '" + temp.path().string() + "'");
    return true;
  }();
  EXPECT_TRUE(made);
  return temp.path();
}

class ReferenceTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    APOLLO_SKIP_WITHOUT_PYTHON();
    name_ = GetParam();
    loaded_ = load_model_folder(reference() / name_, at::kCPU);
    expected_ = read_json(reference() / (name_ + ".json"));
  }

  std::string name_;
  LoadedModel loaded_;
  Json expected_;
};

INSTANTIATE_TEST_SUITE_P(, ReferenceTest, testing::Values("bert", "gpt2", "llama"),
                         [](const auto& info) { return info.param; });

TEST_P(ReferenceTest, ScoresEveryTokenAsTransformers) {
  std::vector<std::string> texts;
  for (const Json& line : expected_["lines"])
    texts.push_back(line["text"]);
  for (const int64_t batch_size : {1, 16}) {
    const Predictor predictor(loaded_, /*depth=*/0, batch_size);
    const std::vector<TextScore> scores = score_texts(predictor, texts);
    for (size_t i = 0; i < texts.size(); ++i) {
      const Json& line = expected_["lines"][i];
      ASSERT_EQ(scores[i].tokens.size(), line["logprobs"].size()) << texts[i];
      for (size_t t = 0; t < scores[i].tokens.size(); ++t) {
        EXPECT_EQ(loaded_.tokenizer->token_text(scores[i].tokens[t]), line["tokens"][t]);
        EXPECT_NEAR(scores[i].logprobs[t].value(), line["logprobs"][t].get<double>(), 1e-4)
            << texts[i] << " " << t;
      }
    }
  }
}

TEST_P(ReferenceTest, FindsTheSameOnBlimp) {
  const BlimpResult result = evaluate_blimp(loaded_, reference() / (name_ + ".blimp"), {});
  const Json& files = expected_["blimp"];
  ASSERT_EQ(result.files.size(), files.size());
  int64_t num_correct = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(result.files[i].name, files[i]["name"]);
    EXPECT_EQ(result.files[i].num_items, files[i]["pairs"]);
    EXPECT_EQ(result.files[i].num_correct, files[i]["correct"]);
    num_correct += result.files[i].num_correct;
  }
  EXPECT_EQ(result.all.num_correct, num_correct);
  EXPECT_EQ(result.all.num_items, 40);
}

TEST_P(ReferenceTest, FindsTheSameOnLambada) {
  const fs::path file = reference() / (name_ + ".lambada.jsonl");
  const LambadaResult result = evaluate_lambada(loaded_, file, {});
  const Json& lambada = expected_["lambada"];
  EXPECT_EQ(result.words.num_items, lambada["passages"]);
  EXPECT_EQ(result.words.num_correct, lambada["correct"]);
  EXPECT_GT(result.words.num_correct, 0);
  EXPECT_LT(result.words.num_correct, result.words.num_items);
  EXPECT_NEAR(result.mean_logprob, lambada["logprob"].get<double>(), 1e-4);
  EXPECT_EQ(result.perplexity.has_value(), name_ != "bert");
}

TEST_P(ReferenceTest, TellsTheShareThatIsDone) {
  const Predictor predictor(loaded_, /*depth=*/0, /*batch_size=*/1);
  std::vector<double> shares;
  score_texts(predictor,
              std::vector<std::string>{"the cat", "a small dog sees the old men in the red houses"},
              [&](double share) { shares.push_back(share); });
  EXPECT_GT(shares.size(), 1U);
  EXPECT_TRUE(std::is_sorted(shares.begin(), shares.end()));
  EXPECT_EQ(shares.back(), 1.0);
}

TEST(Predictor, AMaskedModelNeedsItsSpecialTokens) {
  const TempDir temp;
  ModelSpec spec = bytes_spec(2);
  spec.shape.architecture = Architecture::kBert;
  write_bytes_model(temp / "model", spec, 2);
  const LoadedModel loaded = load_model_folder(temp / "model", at::kCPU);
  EXPECT_EQ(error_of<DataError>(temp.path(), [&] { Predictor(loaded, 0, 16); }),
            "DIR/model: a masked model works on text with [CLS], [SEP] and [MASK], but its "
            "tokenizer names no [CLS], [SEP], [PAD], [MASK] (hint: cls_token, sep_token, pad_token "
            "and mask_token in tokenizer_config.json)");
}

// Tasks for a model of the "bytes" tokenizer.
class ZeroShotTest : public testing::Test {
 protected:
  ZeroShotTest() {
    write_bytes_model(temp_ / "model", bytes_spec(2), 2);
    loaded_ = load_model_folder(temp_ / "model", at::kCPU);
    fs::create_directory(temp_ / "blimp");
  }

  fs::path write(const std::string& name, const std::string& content) {
    write_file_atomic(temp_ / name, content);
    return temp_ / name;
  }
  std::string blimp_error() {
    return error_of<DataError>(temp_.path(), [&] { evaluate_blimp(loaded_, temp_ / "blimp", {}); });
  }
  std::string lambada_error(const std::string& content) {
    const fs::path file = write("lambada.jsonl", content);
    return error_of<DataError>(temp_.path(), [&] { evaluate_lambada(loaded_, file, {}); });
  }

  TempDir temp_;
  LoadedModel loaded_;
};

constexpr const char* kPair = R"({"sentence_good": "ab", "sentence_bad": "ba"})";

TEST_F(ZeroShotTest, TakesTheFirstItemsOfEachFile) {
  write("blimp/b.jsonl", std::string(kPair) + "\n\n" + kPair + "\n" + kPair);
  write("blimp/a.jsonl", std::string(kPair) + "\n");
  const BlimpResult result = evaluate_blimp(loaded_, temp_ / "blimp", {.max_items = 2});
  ASSERT_EQ(result.files.size(), 2U);
  EXPECT_EQ(result.files[0].name, "a");
  EXPECT_EQ(result.files[0].num_items, 1);
  EXPECT_EQ(result.files[1].num_items, 2);
  EXPECT_EQ(evaluate_blimp(loaded_, temp_ / "blimp/b.jsonl", {}).all.num_items, 3);
}

TEST_F(ZeroShotTest, CountsEveryFileOrEveryPairTheSame) {
  const Predictor predictor(loaded_, 0, 16);
  const auto scores = score_texts(predictor, std::vector<std::string>{"ab", "ba"});
  const bool first_is_good = scores[0].total() > scores[1].total();
  const std::string right =
      first_is_good ? kPair : R"({"sentence_good": "ba", "sentence_bad": "ab"})";
  const std::string wrong =
      first_is_good ? R"({"sentence_good": "ba", "sentence_bad": "ab"})" : kPair;
  write("blimp/a.jsonl", right + "\n" + wrong + "\n" + wrong + "\n" + wrong + "\n");
  write("blimp/bb.jsonl", right + "\n");
  const BlimpResult result = evaluate_blimp(loaded_, temp_ / "blimp", {});
  EXPECT_EQ(to_text(result),
            "file              pairs   accuracy\n"
            "a                     4    25.00 %\n"
            "bb                    1   100.00 %\n"
            "\n"
            "mean of 2 files            62.50 %\n"
            "all pairs             5    40.00 %\n"
            "chance                     50.00 %\n");
  EXPECT_EQ(to_json(result).dump(),
            R"({"task":"blimp","files":[{"name":"a","pairs":4,"correct":1,"accuracy":0.25},)"
            R"({"name":"bb","pairs":1,"correct":1,"accuracy":1.0}],"accuracy":0.625,"pairs":5,)"
            R"("pair_accuracy":0.4,"chance":0.5})");
}

TEST_F(ZeroShotTest, ReadsCompressedFiles) {
  if (std::system("xz --version > /dev/null 2>&1") != 0) GTEST_SKIP() << "no xz";
  const fs::path plain = write("blimp/a.jsonl", std::string(kPair) + "\n" + kPair + "\n");
  ASSERT_EQ(std::system(("xz '" + plain.string() + "'").c_str()), 0);
  const BlimpResult result = evaluate_blimp(loaded_, temp_ / "blimp", {});
  EXPECT_EQ(result.files.at(0).name, "a");
  EXPECT_EQ(result.all.num_items, 2);
}

TEST_F(ZeroShotTest, SaysWhatIsWrongWithBlimp) {
  EXPECT_EQ(blimp_error(), "DIR/blimp: the folder holds no *.jsonl");
  EXPECT_EQ(error_of<DataError>([&] { evaluate_blimp(loaded_, "nowhere", {}); }),
            "nowhere: no such folder or file");
  write("blimp/a.jsonl", "");
  EXPECT_EQ(blimp_error(), "DIR/blimp/a.jsonl: file is empty");
  write("blimp/a.jsonl", "\n \n");
  EXPECT_EQ(blimp_error(), "DIR/blimp/a.jsonl: holds no line of JSON");
  write("blimp/a.jsonl", std::string(kPair) + "\n{\"sentence_good\": \"ab\"}\n");
  EXPECT_EQ(blimp_error(), "DIR/blimp/a.jsonl:2: the key 'sentence_bad' is missing");
  write("blimp/a.jsonl", R"({"sentence_good": 7, "sentence_bad": "ba"})");
  EXPECT_EQ(blimp_error(), "DIR/blimp/a.jsonl:1: 'sentence_good' must be a string (got 7)");
  write("blimp/a.jsonl", std::string(kPair) + "\nab,ba\n");
  EXPECT_EQ(blimp_error(), "DIR/blimp/a.jsonl:2: expected a JSON object, found 'ab,ba'");
}

TEST_F(ZeroShotTest, SaysWhatIsWrongWithLambada) {
  EXPECT_EQ(lambada_error("{\"text\": \"one two\"}\n{\"text\": \" one \"}\n"),
            "DIR/lambada.jsonl:2: expected a text of two words or more, found ' one '");
  EXPECT_EQ(
      lambada_error(R"({"text": "a word-that-is-long"})"),
      "DIR/lambada.jsonl:1: the last word has 18 tokens; expected at most 12, by the context");
  EXPECT_EQ(lambada_error(R"({"txt": "one two"})"),
            "DIR/lambada.jsonl:1: the key 'text' is missing");
  EXPECT_EQ(
      error_of<DataError>(temp_.path(), [&] { evaluate_lambada(loaded_, temp_ / "blimp", {}); }),
      "DIR/blimp: expected a .jsonl file, found a folder");
  fs::remove(temp_ / "model/tokenizer.json");
  fs::remove(temp_ / "model/vocab.json");
  loaded_ = load_model_folder(temp_ / "model", at::kCPU);
  EXPECT_EQ(lambada_error(R"({"text": "one two"})"),
            "DIR/model: the model has no tokenizer, so it cannot work on text; hint: put the "
            "tokenizer.json that made its training data beside it");
}

TEST_F(ZeroShotTest, ALastWordMayFillTheContext) {
  const fs::path file = write("lambada.jsonl", R"({"text": "a long context and elevenchars"})");
  const LambadaResult result = evaluate_lambada(loaded_, file, {});
  EXPECT_EQ(result.words.num_items, 1);
  EXPECT_LT(result.mean_logprob, 0.0);
  const std::string text = to_text(result);
  EXPECT_EQ(text.substr(0, text.find("log")), "passages         1\naccuracy         0.00 %\n");
}

}  // namespace
}  // namespace apollo
