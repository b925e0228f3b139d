#include "infer/generate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <limits>
#include <map>

#include "base/error.h"
#include "base/stop_signal.h"
#include "infer/made_up_folder.h"
#include "support/python_original.h"
#include "text/utf8.h"

namespace apollo {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

TEST(SampleIndex, FollowsTheSoftmax) {
  const std::vector<float> logits = {std::log(1.0F), kNever, std::log(5.0F), std::log(4.0F)};
  std::map<int64_t, int64_t> counts;
  for (int64_t i = 0; i < 1000; ++i)
    ++counts[sample_index(logits, {.temperature = 1.0, .top_k = 0}, static_cast<double>(i) / 1000)];
  EXPECT_NEAR(static_cast<double>(counts[0]), 100, 1);
  EXPECT_EQ(counts[1], 0);
  EXPECT_NEAR(static_cast<double>(counts[2]), 500, 1);
  EXPECT_NEAR(static_cast<double>(counts[3]), 400, 1);
  // Halving the temperature squares the odds: 1 : 25 : 16.
  counts.clear();
  for (int64_t i = 0; i < 1000; ++i)
    ++counts[sample_index(logits, {.temperature = 0.5, .top_k = 0}, static_cast<double>(i) / 1000)];
  EXPECT_NEAR(static_cast<double>(counts[0]), 1000.0 / 42, 1);
  EXPECT_NEAR(static_cast<double>(counts[2]), 25000.0 / 42, 1);
}

TEST(SampleIndex, BordersNeverPickWhatHasNoProbability) {
  const std::vector<float> logits = {kNever, 0.0F, 0.0F, kNever};
  EXPECT_EQ(sample_index(logits, {.temperature = 1.0, .top_k = 0}, 0.0), 1);
  EXPECT_EQ(sample_index(logits, {.temperature = 1.0, .top_k = 0}, std::nextafter(1.0, 0.0)), 2);
  EXPECT_EQ(sample_index(logits, {.temperature = 0.0, .top_k = 0}, 0.9), 1);
}

TEST(SampleIndex, TopKKeepsTheLikeliestAndTheLowerIndexAmongEquals) {
  const std::vector<float> logits = {1.0F, 3.0F, 1.0F, 2.0F};
  for (double uniform = 0.0; uniform < 1.0; uniform += 0.01) {
    EXPECT_EQ(sample_index(logits, {.temperature = 1.0, .top_k = 1}, uniform), 1);
    EXPECT_NE(sample_index(logits, {.temperature = 1.0, .top_k = 3}, uniform), 2);
    const int64_t of_two = sample_index(logits, {.temperature = 1.0, .top_k = 2}, uniform);
    EXPECT_TRUE(of_two == 1 || of_two == 3);
  }
}

TEST(SampleIndex, TopPKeepsTheFewestThatAreLikelyTogether) {
  // Probabilities .1, .5, 0, .4.
  const std::vector<float> logits = {std::log(1.0F), std::log(5.0F), kNever, std::log(4.0F)};
  const auto counts = [&](double top_p, int64_t top_k = 0) {
    std::vector<int64_t> found(4, 0);
    for (int64_t i = 0; i < 900; ++i) {
      const double uniform = static_cast<double>(i) / 900;
      const GenerateOptions options{.top_k = top_k, .top_p = top_p};
      ++found[static_cast<size_t>(sample_index(logits, options, uniform))];
    }
    return found;
  };
  EXPECT_EQ(counts(0.49)[1], 900);
  for (const std::vector<int64_t>& two : {counts(0.6), counts(0.89), counts(0.56, /*top_k=*/2)}) {
    EXPECT_EQ(two[0] + two[2], 0);
    EXPECT_NEAR(static_cast<double>(two[1]), 500, 1) << "5 to 4, as before";
  }
  EXPECT_EQ(counts(0.55, /*top_k=*/2)[1], 900) << "of the two likeliest, the first has 5/9";
  EXPECT_GT(counts(0.95)[0], 0);
  EXPECT_EQ(counts(0.999), counts(1.0));
}

// The definition of greedy decoding: the most likely token after a pass over the last `context`
// tokens.
std::vector<TokenId> greedy(const LanguageModel& model, std::vector<TokenId> tokens, int64_t count,
                            int64_t depth) {
  const auto context = static_cast<size_t>(model.spec().shape.context);
  std::vector<TokenId> found;
  for (int64_t i = 0; i < count; ++i) {
    const size_t begin = tokens.size() > context ? tokens.size() - context : 0;
    const auto length = static_cast<int64_t>(tokens.size() - begin);
    at::Tensor inputs = at::empty({1, length}, at::kLong);
    for (int64_t t = 0; t < length; ++t)
      inputs[0][t] = tokens[begin + static_cast<size_t>(t)];
    const at::Tensor last = logits_at(model, inputs, depth)[0][length - 1];
    found.push_back(static_cast<TokenId>(last.argmax().item<int64_t>()));
    tokens.push_back(found.back());
  }
  return found;
}

std::vector<TokenId> generated(const LanguageModel& model, const std::vector<TokenId>& prompt,
                               const GenerateOptions& options,
                               std::optional<TokenId> stop = std::nullopt) {
  std::vector<TokenId> found;
  generate_tokens(model, prompt, TokenMask(31, true), stop, options,
                  [&](TokenId token) { found.push_back(token); });
  return found;
}

constexpr Architecture kCausal[] = {Architecture::kGpt2, Architecture::kLlama,
                                    Architecture::kQwen3};

TEST(GenerateTokens, GreedySlidesOverTheContext) {
  const std::vector<TokenId> prompt = {3, 1, 4};
  for (const Architecture architecture : kCausal) {
    const auto model = random_model(small_spec_of(architecture, 4), 2);
    for (const int64_t depth : {2, 3, 4}) {
      EXPECT_EQ(generated(*model, prompt, {.max_tokens = 30, .temperature = 0.0, .depth = depth}),
                greedy(*model, prompt, 30, depth))
          << enum_name(architecture);
    }
  }
  const auto model = random_model(small_spec(4), 2);
  EXPECT_EQ(generated(*model, prompt, {.max_tokens = 5, .temperature = 0.0}),
            greedy(*model, prompt, 5, 4));
}

// It does not matter how the tokens are passed: all at once, one by one, or in pieces.
TEST(GenerateTokens, LogitsWithACacheAreThoseOfTheWholePass) {
  for (const Architecture architecture : kCausal) {
    SCOPED_TRACE(enum_name(architecture));
    const auto model = random_model(small_spec_of(architecture, 5), 2);
    const at::Tensor inputs = random_tokens(model->spec(), 2, 12);
    for (const Kernels kernels : {Kernels::kFused, Kernels::kReference}) {
      const at::NoGradGuard no_grad;
      const LayerMap blocks = model->blocks(5);
      const at::Tensor whole = model->logits({inputs}, blocks, {.kernels = kernels});
      for (const std::vector<int64_t>& pieces :
           {std::vector<int64_t>{12}, {5, 1, 1, 1, 1, 1, 1, 1}, {1, 4, 7}}) {
        AttentionCache cache(12, blocks.size());
        int64_t begin = 0;
        for (const int64_t count : pieces) {
          const at::Tensor found = model->logits({inputs.narrow(1, begin, count)}, blocks,
                                                 {.kernels = kernels, .cache = &cache});
          EXPECT_LT(largest_difference(found, whole.narrow(1, begin, count)), 1e-5);
          begin += count;
          EXPECT_EQ(cache.length, begin);
        }
        EXPECT_THROW(model->logits({inputs.narrow(1, 0, 1)}, blocks, {.cache = &cache}), UsageError)
            << "the context is full";
      }
    }
  }
}

TEST(GenerateTokens, SeedDecides) {
  const auto model = random_model(small_spec(4), 2);
  const auto run = [&](uint64_t seed, int64_t count) {
    return generated(*model, {7}, {.max_tokens = count, .seed = seed});
  };
  const auto text = run(1, 20);
  EXPECT_EQ(text.size(), 20U);
  EXPECT_EQ(run(1, 20), text);
  EXPECT_NE(run(2, 20), text);
  EXPECT_EQ(run(1, 8), std::vector<TokenId>(text.begin(), text.begin() + 8));
}

TEST(GenerateTokens, StopsAtTheEndOfText) {
  const auto model = random_model(small_spec(4), 2);
  const auto whole = generated(*model, {7}, {.max_tokens = 20, .seed = 1});
  const TokenId stop = whole[5];
  const auto first = std::find(whole.begin(), whole.end(), stop);
  EXPECT_EQ(generated(*model, {7}, {.max_tokens = 20, .seed = 1}, stop),
            std::vector<TokenId>(whole.begin(), first));
}

TEST(GenerateTokens, PicksAllowedTokensOnly) {
  const auto model = random_model(small_spec(4), 2);
  TokenMask allowed(31, false);
  allowed[3] = allowed[9] = true;
  std::map<TokenId, int64_t> counts;
  generate_tokens(*model, {7}, allowed, std::nullopt, {.max_tokens = 60, .temperature = 3.0},
                  [&](TokenId token) { ++counts[token]; });
  EXPECT_EQ(counts.size(), 2U);
  EXPECT_EQ(counts[3] + counts[9], 60);
}

TEST(GenerateTokens, RefusesDamagedWeightsAndWrongOptions) {
  const auto model = random_model(small_spec(4), 2);
  const auto message = [&](const GenerateOptions& options) {
    return error_of<UsageError>([&] { generated(*model, {7}, options); });
  };
  EXPECT_EQ(message({.max_tokens = -1}), "max-tokens must not be negative (got -1)");
  EXPECT_EQ(message({.temperature = -0.5}), "temperature must be 0 or more and finite (got -0.5)");
  EXPECT_EQ(message({.temperature = std::nan("")}),
            "temperature must be 0 or more and finite (got nan)");
  EXPECT_EQ(message({.top_k = -2}), "top-k must not be negative (got -2)");
  EXPECT_EQ(message({.top_p = 0.0}), "top-p must be above 0 and at most 1 (got 0)");
  EXPECT_EQ(message({.top_p = 1.5}), "top-p must be above 0 and at most 1 (got 1.5)");
  EXPECT_EQ(message({.depth = 1}),
            "depth 1 is too small: the model has 2 unique layers; expected 2 or more");
  const at::NoGradGuard no_grad;
  model->parameters().values()[0] = std::nan("");
  EXPECT_EQ(error_of<CheckpointError>([&] { generated(*model, {0}, {}); }),
            "the model's logits are not finite: its weights are damaged");
}

TEST(GenerateText, IsWholeUtf8AndDependsOnTheSeedAlone) {
  const TempDir temp;
  write_bytes_model(temp / "model", bytes_spec(2), 2);
  const LoadedModel loaded = load_model_folder(temp / "model", at::kCPU);
  const auto run = [&](std::string_view prompt, uint64_t seed) {
    std::string text;
    generate_text(loaded, prompt, {.max_tokens = 80, .temperature = 2.0, .seed = seed},
                  [&](std::string_view piece) {
                    EXPECT_TRUE(is_valid_utf8(piece)) << piece;
                    text += piece;
                  });
    return text;
  };
  EXPECT_EQ(run("a", 1), run("a", 1));
  EXPECT_NE(run("a", 1), run("a", 2));
  EXPECT_FALSE(run("", 1).empty());
}

TEST(GenerateText, HeedsSignalsWhereItShall) {
  const TempDir temp;
  write_bytes_model(temp / "model", bytes_spec(2), 2);
  const LoadedModel loaded = load_model_folder(temp / "model", at::kCPU);
  const auto written = [&](bool heeds_signals) {
    return generate_text(loaded, "a", {.max_tokens = 5, .heeds_signals = heeds_signals},
                         [](std::string_view) {});
  };
  install_stop_handlers();
  ::raise(SIGTERM);
  EXPECT_GT(written(false), 0);
  EXPECT_THROW(written(true), Interrupted);
  install_stop_handlers();
}

TEST(GenerateText, NeverPicksThePaddingOfAVocabulary) {
  const TempDir temp;
  ModelSpec spec = bytes_spec(1);
  spec.shape.vocab_size = 2000;
  write_bytes_model(temp / "padded", spec, 1);
  const LoadedModel loaded = load_model_folder(temp / "padded", at::kCPU);
  std::string text;
  EXPECT_NO_THROW(generate_text(loaded, "a", {.max_tokens = 40, .temperature = 5.0},
                                [&](std::string_view piece) { text += piece; }));
  EXPECT_FALSE(text.empty());
}

TEST(GenerateText, NeedsATokenizerAndAPrompt) {
  const TempDir temp;
  save_hf_model(*random_model(small_spec(2), 2), temp.path(), {});
  const LoadedModel bare = load_model_folder(temp.path(), at::kCPU);
  EXPECT_EQ(error_of<DataError>(temp.path(),
                                [&] { generate_text(bare, "a", {}, [](std::string_view) {}); }),
            "DIR: the model has no tokenizer, so it cannot work on text; hint: put the "
            "tokenizer.json that made its training data beside it");
}

TEST(GenerateText, AMaskedModelDoesNotGenerate) {
  const TempDir temp;
  ModelSpec spec = small_spec(2);
  spec.shape.architecture = Architecture::kBert;
  save_hf_model(*random_model(spec, 2), temp.path(), {});
  const LoadedModel bert = load_model_folder(temp.path(), at::kCPU);
  EXPECT_EQ(error_of<CheckpointError>(
                temp.path(), [&] { generate_text(bert, "a", {}, [](std::string_view) {}); }),
            "DIR: a masked model (bert) fills gaps and does not write on; expected a causal one; "
            "hint: `apollo score` rates given text");
}

TEST(GenerateText, TinyGpt2OfTheExampleData) {
  const std::filesystem::path folder = example_data() / "checkpoints/tiny_gpt2";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const LoadedModel loaded = load_model_folder(folder, at::kCPU);
  ASSERT_EQ(loaded.tokenizer->vocab_size(), 21);
  std::string text;
  generate_text(loaded, "lower", {.max_tokens = 30, .seed = 4},
                [&](std::string_view piece) { text += piece; });
  EXPECT_FALSE(text.empty());
  for (const char letter : text)
    EXPECT_NE(std::string_view("deilnorstw <>unk|ftx").find(letter), std::string_view::npos)
        << text;
  EXPECT_NO_THROW(generate_text(loaded, "", {.max_tokens = 1}, [](std::string_view) {}));
}

}  // namespace
}  // namespace apollo
