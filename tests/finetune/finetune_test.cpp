// Whole tasks on made-up tables that a tiny model can learn.
#include "finetune/finetune.h"

#include <gtest/gtest.h>

#include <ATen/Parallel.h>

#include <csignal>

#include "base/file.h"
#include "base/stop_signal.h"
#include "finetune/written_files.h"
#include "model/hf_folder.h"
#include "model/made_up_model.h"
#include "model/safetensors.h"
#include "ops/mixed_precision.h"
#include "text/tokenizer.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTask = R"([task]
name = "letters"
train = "train.tsv"
dev = "dev.tsv"
test = "test.tsv"
[train]
lr = [1e-3, 1e-2]
epochs = [2]
seeds = [1, 2]
batch_size = 8
dropout = 0.0
)";

class Finetune : public testing::Test {
 protected:
  Finetune() {
    at::set_num_threads(1);  // a second one costs a model this small more than it gives
    ModelSpec spec = small_spec(1);
    const auto tokenizer = load_tokenizer("bytes");
    spec.shape.vocab_size = tokenizer->vocab_size();
    fs::create_directory(dir_ / "model");
    save_hf_model(*random_model(spec, 1), dir_ / "model", config_tokens(tokenizer.get()));
    tokenizer->save(dir_ / "model");
    // The label is the last letter: the token that the classifier reads.
    std::string train = "text\tlabel\n";
    std::string dev = train;
    std::string numbers = train;
    for (int i = 0; i < 96; ++i) {
      const std::string row = fmt::format("{}\t{}\n", text(i), i % 2 == 0 ? "even" : "odd");
      train += row;
      if (i < 41) dev += row;
      numbers += fmt::format("{}\t{}\n", text(i), i % 2 == 0 ? -1 : 2);
    }
    write_text(dir_, "train.tsv", train);
    write_text(dir_, "dev.tsv", dev);
    write_text(dir_, "numbers.tsv", numbers);
    write_text(dir_, "test.tsv", "text\nbca\naab\n");
    write_text(dir_, "task.toml", kTask);
  }

  static std::string text(int i) {
    return fmt::format("{}{}{}", "abcd"[i / 2 % 4],
                       std::string(static_cast<size_t>(i / 8 % 3), 'c'), "ab"[i % 2]);
  }

  FinetuneResults run(const std::vector<std::string>& overrides = {}, bool random_weights = false) {
    const ResolvedTask task = load_task(dir_ / "task.toml", overrides);
    FinetuneOptions options;
    options.checkpoint = dir_ / "model";
    options.out = dir_ / "out";
    options.random_weights = random_weights;
    return finetune(task, options);
  }
  std::string out(const std::string& name) { return read_file(dir_ / "out" / name); }

  TempDir dir_;
};

TEST_F(Finetune, LearnsAndWritesTheBest) {
  const FinetuneResults results = run();
  const TaskConfig config = load_task(dir_ / "task.toml", {}).config;
  ASSERT_EQ(results.runs.size(), 4u);
  const auto summaries = summarize(results, config.train);
  const GridSummary* best = best_summary(summaries, Metric::kAccuracy);
  ASSERT_NE(best, nullptr);
  EXPECT_EQ(best->mean, 1.0);
  EXPECT_EQ(*best->deviation, 0.0);
  EXPECT_DOUBLE_EQ(score_of(results.chance, Metric::kAccuracy), 21.0 / 41.0);
  EXPECT_TRUE(out("predictions-test.tsv")
                  .starts_with("index\tprediction\tprobability\tp(even)\tp(odd)\ttext\n"));
  EXPECT_NE(out("predictions-test.tsv").find("\n0\teven\t"), std::string::npos);
  EXPECT_NE(out("predictions-test.tsv").find("\n1\todd\t"), std::string::npos);
  EXPECT_TRUE(out("predictions-dev.tsv")
                  .starts_with("index\tprediction\tlabel\tprobability\tp(even)\tp(odd)\ttext\n"));
  EXPECT_TRUE(fs::exists(dir_ / "out/model/tokenizer.json"));
  EXPECT_FALSE(fs::exists(dir_ / "out/weights"));
  const Json json = Json::parse(out("results.json"));
  EXPECT_TRUE(json["finished"].get<bool>());
  EXPECT_EQ(json["best"]["mean"], 1.0);
  EXPECT_EQ(json["runs"].size(), 4u);
  EXPECT_EQ(json["confusion"], Json::parse("[[21,0],[0,20]]"));
  EXPECT_NE(results_table(results, config.train)
                .find("confusion on dev (a row is what is right, a column what is predicted):\n"
                      "          even     odd\n"
                      "even        21       0\n"
                      "odd          0      20\n"),
            std::string::npos)
      << results_table(results, config.train);
}

TEST_F(Finetune, LearnsInBf16WhereTheCpuMultipliesIt) {
  const std::string bf16 = R"(train.precision="bf16")";
  if (!cpu_multiplies_bf16()) {
    EXPECT_THROW(run({bf16}), UsageError);
    GTEST_SKIP() << "this CPU does not multiply bf16";
  }
  const FinetuneResults exact = run();
  fs::remove_all(dir_ / "out");
  const FinetuneResults rounded = run({bf16});
  const std::string model = out("model/model.safetensors");
  ASSERT_EQ(rounded.runs.size(), exact.runs.size());
  for (size_t i = 0; i < exact.runs.size(); ++i) {
    const double loss = exact.runs[i].epochs.back().train_loss;
    const double found = rounded.runs[i].epochs.back().train_loss;
    EXPECT_NE(found, loss);
    EXPECT_NEAR(found, loss, 0.03);
  }
  fs::remove_all(dir_ / "out");
  run({bf16});
  EXPECT_EQ(out("model/model.safetensors"), model);
}

TEST_F(Finetune, RunsOnlyWhatIsMissing) {
  run({"train.lr=[1e-2]", "train.seeds=[1]"});
  const std::string model = out("model/model.safetensors");
  const FinetuneResults first = run({"train.lr=[1e-2]", "train.seeds=[1]"});
  EXPECT_EQ(first.runs.size(), 1u);
  // A grid that was extended keeps what it has, and ends as if it had run at once.
  const FinetuneResults extended = run();
  EXPECT_EQ(extended.runs.size(), 4u);
  EXPECT_EQ(extended.runs[0].seconds, first.runs[0].seconds);
  const std::string later = out("model/model.safetensors");
  fs::remove_all(dir_ / "out");
  const FinetuneResults at_once = run();
  EXPECT_EQ(out("model/model.safetensors"), later);
  for (const PointResult& result : at_once.runs) {
    const PointResult* same = find_run(extended, result.point);
    ASSERT_NE(same, nullptr);
    EXPECT_EQ(same->best_score, result.best_score);
    EXPECT_EQ(same->epochs.back().train_loss, result.epochs.back().train_loss);
  }
}

TEST_F(Finetune, TrainsTheBestAgainWhereItsWeightsAreGone) {
  run({"train.lr=[1e-2]", "train.seeds=[2]"});
  const std::string model = out("model/model.safetensors");
  fs::remove_all(dir_ / "out/model");
  // Another learning rate that is worse: the best is still the old one, whose weights are gone.
  run({"train.lr=[1e-2, 1e-9]", "train.seeds=[2]"});
  EXPECT_EQ(out("model/model.safetensors"), model);
}

TEST_F(Finetune, AnotherGridAddsToTheResultsAndTheBestOfAllStays) {
  run({"train.lr=1e-2", "train.seeds=[1]"});
  const std::string model = out("model/model.safetensors");
  const std::string predictions = out("predictions-dev.tsv");
  const FinetuneResults worse = run({"train.lr=1e-9", "train.seeds=[3]"});
  EXPECT_EQ(worse.runs.size(), 2u);
  EXPECT_EQ(out("model/model.safetensors"), model);
  EXPECT_EQ(out("predictions-dev.tsv"), predictions);
  const Json json = Json::parse(out("results.json"));
  EXPECT_EQ(json["best"]["lr"], 1e-2);
  EXPECT_EQ(json["grid"].size(), 2u);
  EXPECT_TRUE(json["finished"].get<bool>());
  // The other way round the better one takes its place.
  fs::remove_all(dir_ / "out");
  run({"train.lr=1e-9", "train.seeds=[3]"});
  EXPECT_NE(out("model/model.safetensors"), model);
  run({"train.lr=1e-2", "train.seeds=[1]"});
  EXPECT_EQ(out("model/model.safetensors"), model);
}

TEST_F(Finetune, OtherTestTablesGetPredictionsOfTheSameModel) {
  const std::vector<std::string> one = {"train.lr=1e-2", "train.seeds=1"};
  run(one);
  const std::string model = out("model/model.safetensors");
  write_text(dir_, "test.tsv", "text\nab\nba\nbb\n");
  run(one);
  EXPECT_EQ(out("model/model.safetensors"), model);
  const std::string predictions = out("predictions-test.tsv");
  EXPECT_EQ(std::count(predictions.begin(), predictions.end(), '\n'), 4);
}

TEST_F(Finetune, RegressionReportsCorrelations) {
  const FinetuneResults results = run({"task.kind=regression", "task.train=numbers.tsv",
                                       "task.dev=numbers.tsv", "train.lr=1e-2", "train.epochs=6"});
  const PointResult& run = results.runs.front();
  EXPECT_GT(run.best_score, 0.99);
  EXPECT_GT(score_of(run.epochs.back().scores, Metric::kSpearman), 0.8);
  EXPECT_EQ(score_of(results.chance, Metric::kPearson), 0.0);
  EXPECT_DOUBLE_EQ(score_of(results.chance, Metric::kRmse), 1.5);
  EXPECT_DOUBLE_EQ(score_of(results.chance, Metric::kMae), 1.5);
  EXPECT_TRUE(out("predictions-dev.tsv").starts_with("index\tprediction\tlabel\ttext\n"));
}

// The scale of the numbers must not matter: a head that starts at 0 is far from 5000.
TEST_F(Finetune, RegressionLearnsNumbersOfAnyScale) {
  std::string far = "text\tlabel\n";
  for (int i = 0; i < 96; ++i)
    far += fmt::format("{}\t{}\n", text(i), i % 2 == 0 ? 5000 : 5300);
  write_text(dir_, "far.tsv", far);
  const std::vector<std::string> shared = {"task.kind=regression", "train.lr=1e-2",
                                           "train.epochs=6", "train.seeds=1", "task.metric=rmse"};
  const auto with_tables = [&](const std::string& name) {
    std::vector<std::string> overrides = shared;
    for (const char* part : {"train", "dev"})
      overrides.push_back(fmt::format("task.{}={}", part, name));
    fs::remove_all(dir_ / "out");
    return run(overrides);
  };
  const FinetuneResults near_results = with_tables("numbers.tsv");
  const FinetuneResults far_results = with_tables("far.tsv");
  const PointResult& near_run = near_results.runs.front();
  const PointResult& far_run = far_results.runs.front();
  EXPECT_LT(far_run.best_score, 30.0);  // a constant has 150
  // Standardised they are one task: -1 and 2, 5000 and 5300.
  EXPECT_NEAR(near_run.epochs.back().dev_loss, far_run.epochs.back().dev_loss, 1e-5);
  EXPECT_NEAR(far_run.best_score, 100.0 * near_run.best_score, 1e-3);
  // The saved model speaks in the numbers of the task.
  const std::string predictions = out("predictions-dev.tsv");
  const double first = std::stod(predictions.substr(predictions.find("\n0\t") + 3));
  EXPECT_NEAR(first, 5000.0, 100.0);
}

TEST_F(Finetune, RandomWeightsStartElsewhere) {
  const std::vector<std::string> one = {"train.lr=1e-3", "train.seeds=1", "train.epochs=1"};
  const double trained = run(one).runs[0].epochs[0].train_loss;
  fs::remove_all(dir_ / "out");
  EXPECT_NE(run(one, /*random_weights=*/true).runs[0].epochs[0].train_loss, trained);
}

TEST_F(Finetune, RefusesResultsOfAnotherTask) {
  const std::vector<std::string> one = {"train.lr=1e-3", "train.seeds=1", "train.epochs=1"};
  run(one);
  std::vector<std::string> other = one;
  other.push_back("train.batch_size=4");
  EXPECT_EQ(error_text<UsageError>(dir_, [&] { run(other); }),
            "DIR/out/results.json: holds results of another task: 'train.batch_size' was 8, is 4; "
            "hint: another --out");
  write_text(dir_, "out/results.json", "{}");
  EXPECT_TRUE(error_text<DataError>(dir_, [&] {
                run(one);
              }).starts_with("DIR/out/results.json: expected results of `apollo finetune`: "));
}

TEST_F(Finetune, ResultsThatCannotBeAreRefused) {
  const std::vector<std::string> one = {"train.lr=1e-2", "train.seeds=1"};
  run(one);
  const Json good = Json::parse(out("results.json"));
  const auto error = [&](const std::string& place, const Json& value) {
    Json json = good;
    json[Json::json_pointer(place)] = value;
    write_text(dir_, "out/results.json", json.dump());
    return error_text<DataError>(dir_, [&] { run(one); });
  };
  const auto expected = [](const std::string& what) {
    return "DIR/out/results.json: " + what + "; hint: another --out, or remove the file";
  };
  for (const int64_t epoch : {int64_t{1'000'000'000}, int64_t{3}, int64_t{0}, int64_t{-1}}) {
    EXPECT_EQ(error("/runs/0/best_epoch", epoch), expected("'best_epoch' is not in 'by_epoch'"));
  }
  EXPECT_EQ(error("/runs/0/epochs", 0), expected("'epochs' is not positive"));
  EXPECT_EQ(error("/runs/0/epochs", 7),
            expected("'by_epoch' has another number of epochs than the run"));
  EXPECT_EQ(error("/runs/0/lr", -1.0), expected("'lr' is not above 0"));
  EXPECT_EQ(error("/runs/0/seconds", -1.0), expected("'seconds' is negative"));
  EXPECT_EQ(error("/runs/0/best", 0.123), expected("'best' is not the score of 'best_epoch'"));
  EXPECT_EQ(error("/runs/0/by_epoch/1/epoch", 5),
            expected("the epochs of 'by_epoch' are not 1, 2, ..."));
  EXPECT_EQ(error("/runs/1", good["runs"][0]), expected("a run stands there twice"));
  EXPECT_EQ(error("/model/seed", 9), expected("'model' is none of the runs"));
  EXPECT_EQ(error("/confusion", Json::parse("[[1]]")),
            expected("'confusion' has another number of classes"));
  EXPECT_EQ(error("/format", 1), expected("format 1 is not known, expected 2"));
}

TEST_F(Finetune, AStopKeepsWhatIsFinished) {
  const std::vector<std::string> one = {"train.lr=1e-3", "train.seeds=1"};
  run(one);
  install_stop_handlers();
  std::raise(SIGINT);
  EXPECT_THROW(run(), Interrupted);
  install_stop_handlers();
  EXPECT_EQ(run().runs.size(), 4u);
}

TEST_F(Finetune, ADivergedRunCountsForNothing) {
  const FinetuneResults results = run({"train.lr=[1e30, 1e-2]", "train.clip=0"});
  const TaskConfig config =
      load_task(dir_ / "task.toml", {"train.lr=[1e30, 1e-2]", "train.clip=0"}).config;
  const auto summaries = summarize(results, config.train);
  EXPECT_TRUE(summaries[0].diverged);
  EXPECT_EQ(best_summary(summaries, Metric::kAccuracy), &summaries[1]);
  fs::remove_all(dir_ / "out");
  EXPECT_EQ(thrown_text<DivergedError>([&] {
              run({"train.lr=1e30", "train.clip=0"});
            }),
            "letters: no learning rate got through all seeds with a finite loss; hint: a lower "
            "train.lr, or train.clip = 1.0");
}

TEST_F(Finetune, NamesWhatDoesNotFitTheModel) {
  EXPECT_EQ(error_text<ConfigError>(dir_, [&] { run({"train.max_length=64"}); }),
            "--set: error: train.max_length 64 is beyond the model's context of 12 tokens\n"
            "  hint: at most 12, or 0 for all of it");
  ModelSpec spec = small_spec(1);
  save_hf_model(*random_model(spec, 1), dir_ / "model", {});
  EXPECT_EQ(
      error_text<DataError>(dir_, [&] { run(); }),
      "DIR/model: token '<|endoftext|>' has id 256, but the model's vocabulary only 31 tokens "
      "(the tokenizer 257)");
  fs::remove(dir_ / "model/tokenizer.json");
  fs::remove(dir_ / "model/vocab.json");
  EXPECT_EQ(error_text<DataError>(dir_, [&] { run(); }),
            "DIR/model: no tokenizer here; expected tokenizer.json, vocab.json and merges.txt, "
            "encoder.json and vocab.bpe, or vocab.txt");
}

}  // namespace
}  // namespace apollo
