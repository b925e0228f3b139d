#include "infer/score.h"

#include <ATen/ops/log_softmax.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/file.h"
#include "base/json_lines.h"
#include "infer/generate.h"
#include "infer/made_up_folder.h"
#include "model/hf_folder.h"
#include "model/transformers_logits.h"
#include "support/python_original.h"
#include "text/byte_level_bpe.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

class ScoreTest : public testing::Test {
 protected:
  ScoreTest() : spec_(bytes_spec(4)) {
    write_bytes_model(temp_ / "model", spec_, 2);
    loaded_ = load_model_folder(temp_ / "model", at::kCPU);
  }

  std::vector<TextScore> scores(const std::vector<std::string>& texts,
                                const ScoreOptions& options = {}) const {
    return score_texts(Predictor(loaded_, options.depth, options.batch_size), texts);
  }

  std::string lines(const std::string& text, const ScoreOptions& options = {}) {
    std::istringstream in(text);
    std::ostringstream out;
    score_lines(loaded_, in, out, options);
    return out.str();
  }

  TempDir temp_;
  ModelSpec spec_;
  LoadedModel loaded_;
};

// Returns log p of each of `ids` except the first, from logits [1, T, V].
std::vector<double> from_logits(const at::Tensor& logits, const std::vector<TokenId>& ids) {
  const at::Tensor log_p = at::log_softmax(logits.to(at::kDouble), 2);
  std::vector<double> found;
  for (size_t t = 0; t + 1 < ids.size(); ++t)
    found.push_back(log_p[0][static_cast<int64_t>(t)][ids[t + 1]].item<double>());
  return found;
}

at::Tensor as_inputs(const std::vector<TokenId>& ids, size_t begin, size_t end) {
  at::Tensor inputs = at::empty({1, static_cast<int64_t>(end - begin)}, at::kLong);
  for (size_t t = begin; t < end; ++t)
    inputs[0][static_cast<int64_t>(t - begin)] = ids[t];
  return inputs;
}

TEST_F(ScoreTest, EqualsTransformers) {
  APOLLO_SKIP_WITHOUT_PYTHON();
  const std::string text = "A cat sat.";
  const TextScore score = scores({text}, {.depth = 2})[0];
  std::vector<TokenId> ids = {*loaded_.tokenizer->end_of_text()};
  ids.insert(ids.end(), score.tokens.begin(), score.tokens.end());
  const at::Tensor logits = transformers_logits(temp_ / "model", as_inputs(ids, 0, ids.size() - 1));
  const std::vector<double> expected = from_logits(logits, ids);
  ASSERT_EQ(score.logprobs.size(), text.size());
  for (size_t t = 0; t < expected.size(); ++t)
    EXPECT_NEAR(score.logprobs[t].value(), expected[t], 1e-5) << t;
}

TEST_F(ScoreTest, LongTextIsScoredInWindowsOfHalfAContext) {
  const std::string text = "The quick brown fox jumps over a dog";
  const size_t context = 12;
  for (const int64_t depth : {2, 4}) {
    const TextScore score = scores({text}, {.depth = depth})[0];
    std::vector<TokenId> ids = {*loaded_.tokenizer->end_of_text()};
    ids.insert(ids.end(), score.tokens.begin(), score.tokens.end());
    ASSERT_EQ(score.logprobs.size(), text.size());
    for (size_t t = 0; t < text.size(); ++t) {
      // The last of the windows [0, 12), [6, 18), ... that starts a stretch of 6 new targets.
      const size_t end = t < context ? std::min(context, text.size())
                                     : std::min(text.size(), context + (t - context) / 6 * 6 + 6);
      const size_t begin = end > context ? end - context : 0;
      const at::Tensor logits = logits_at(*loaded_.model, as_inputs(ids, begin, t + 1), depth);
      const at::Tensor log_p = at::log_softmax(logits.to(at::kDouble), 2);
      EXPECT_NEAR(score.logprobs[t].value(),
                  log_p[0][static_cast<int64_t>(t - begin)][ids[t + 1]].item<double>(), 1e-5)
          << t;
    }
  }
}

TEST_F(ScoreTest, BatchesAndPaddingChangeNothing) {
  const std::vector<std::string> texts = {
      "a", "", "A longer line, beyond the context.", "twelve chars", "thirteen char", "ab"};
  const auto together = scores(texts, {.batch_size = 4});
  for (size_t i = 0; i < texts.size(); ++i) {
    const TextScore alone = scores({texts[i]})[0];
    ASSERT_EQ(together[i].tokens, alone.tokens);
    ASSERT_EQ(together[i].logprobs.size(), texts[i].size());
    for (size_t t = 0; t < alone.logprobs.size(); ++t)
      EXPECT_NEAR(*together[i].logprobs[t], *alone.logprobs[t], 1e-5) << i << " " << t;
  }
}

TEST_F(ScoreTest, PlainLinesAreTotalAndCount) {
  std::string expected;
  for (const TextScore& score : scores({"ab", "xyz"})) {
    double total = 0.0;
    for (const auto& logprob : score.logprobs)
      total += *logprob;
    expected += fmt::format("{:.6f}\t{}\n", total, score.logprobs.size());
  }
  EXPECT_EQ(lines("ab\nxyz\n"), expected);
  EXPECT_EQ(lines("ab\nxyz"), expected);
  EXPECT_EQ(lines("\n"), "0.000000\t0\n");
  EXPECT_EQ(lines(""), "");
}

TEST_F(ScoreTest, JsonLinesHoldTokensAndLogprobs) {
  const std::string out = lines("aé\n\n", {.json = true});
  std::istringstream stream(out);
  std::string first, second;
  std::getline(stream, first);
  std::getline(stream, second);
  const Json json = Json::parse(first);
  EXPECT_EQ(json["tokens"], Json::parse("[\"a\",\"\uFFFD\",\"\uFFFD\"]"));
  ASSERT_EQ(json["logprobs"].size(), 3U);
  for (const Json& logprob : json["logprobs"])
    EXPECT_LT(logprob.get<double>(), 0.0);
  EXPECT_EQ(second, R"({"tokens":[],"logprobs":[]})");
}

// A tokenizer that begins every text, like Llama 3's: `transformers` encodes text this way, and
// scores and prompts do the same.
TEST(Score, BeginsATextAsTheTokenizerSays) {
  const TempDir temp;
  ModelSpec spec = small_spec(2);
  spec.shape.vocab_size = 258;
  BpeVocabulary vocabulary = make_bytes_vocabulary();
  vocabulary.added.push_back({.id = 257, .text = "<s>", .special = true});
  vocabulary.around = {{257}, std::nullopt};
  const ByteLevelBpe tokenizer(vocabulary);
  save_hf_model(*random_model(spec, 2), temp.path(), config_tokens(&tokenizer));
  tokenizer.save(temp.path());
  const LoadedModel loaded = load_model_folder(temp.path(), at::kCPU);
  const TextScore score = score_texts(Predictor(loaded, 0, 16), std::vector<std::string>{"ab"})[0];
  const std::vector<double> expected =
      from_logits(logits_at(*loaded.model, as_inputs({257, 'a'}, 0, 2), 2), {257, 'a', 'b'});
  EXPECT_NEAR(score.logprobs[0].value(), expected[0], 1e-5);
  EXPECT_NEAR(score.logprobs[1].value(), expected[1], 1e-5);
  const std::vector<TokenId> prompt = {257, 'a'};
  EXPECT_EQ(encode_prompt(loaded, "a"), prompt);
  EXPECT_EQ(encode_prompt(loaded, "<s>a"), prompt);
  EXPECT_EQ(encode_prompt(loaded, ""), std::vector<TokenId>{257});
}

TEST(Score, WithoutEndOfTextTheFirstTokenHasNoValue) {
  const TempDir temp;
  ModelSpec spec = small_spec(2);
  save_hf_model(*random_model(spec, 2), temp.path(), {});
  write_file_atomic(temp / "vocab.json", R"({"a":0,"b":1,"c":2})");
  write_file_atomic(temp / "merges.txt", "#version: 0.2\n");
  write_file_atomic(temp / "tokenizer_config.json",
                    R"({"tokenizer_class": "GPT2Tokenizer", "bos_token": null, "eos_token": null,
                        "unk_token": null})");
  const LoadedModel loaded = load_model_folder(temp.path(), at::kCPU);
  ASSERT_FALSE(loaded.tokenizer->end_of_text().has_value());
  const TextScore score = score_texts(Predictor(loaded, 0, 16), std::vector<std::string>{"abc"})[0];
  ASSERT_EQ(score.logprobs.size(), 3U);
  EXPECT_FALSE(score.logprobs[0].has_value());
  const std::vector<double> expected =
      from_logits(logits_at(*loaded.model, as_inputs(score.tokens, 0, 2), 2), score.tokens);
  EXPECT_NEAR(*score.logprobs[1], expected[0], 1e-5);
  EXPECT_NEAR(*score.logprobs[2], expected[1], 1e-5);
  std::istringstream in("abc\na\n");
  std::ostringstream out;
  score_lines(loaded, in, out, {.json = true});
  EXPECT_NE(out.str().find(R"({"tokens":["a"],"logprobs":[null]})"), std::string::npos)
      << out.str();
  EXPECT_EQ(
      error_of<DataError>(temp.path(),
                          [&] { generate_text(loaded, "", {}, [](std::string_view) {}); }),
      "the prompt is empty, and the tokenizer names no end of text (eos_token) to start from");
  EXPECT_EQ(error_of<DataError>(temp.path(),
                                [&] { generate_text(loaded, "xyz", {}, [](std::string_view) {}); }),
            "the prompt 'xyz' holds nothing that the tokenizer knows");
}

}  // namespace
}  // namespace apollo
