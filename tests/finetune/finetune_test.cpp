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
    save_hf_model(*random_model(spec, 1), dir_ / "model", tokenizer->end_of_text());
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
  const GridSummary* best = best_summary(summaries);
  ASSERT_NE(best, nullptr);
  EXPECT_EQ(best->mean, 1.0);
  EXPECT_EQ(*best->deviation, 0.0);
  EXPECT_DOUBLE_EQ(score_of(results.chance, Metric::kAccuracy), 21.0 / 41.0);
  EXPECT_TRUE(out("predictions-test.tsv").starts_with("index\tprediction\tprobability\n"));
  EXPECT_NE(out("predictions-test.tsv").find("\n0\teven\t"), std::string::npos);
  EXPECT_NE(out("predictions-test.tsv").find("\n1\todd\t"), std::string::npos);
  EXPECT_TRUE(out("predictions-dev.tsv").starts_with("index\tprediction\tlabel\tprobability\n"));
  EXPECT_TRUE(fs::exists(dir_ / "out/model/tokenizer.json"));
  EXPECT_FALSE(fs::exists(dir_ / "out/weights"));
  const Json json = Json::parse(out("results.json"));
  EXPECT_TRUE(json["finished"].get<bool>());
  EXPECT_EQ(json["best"]["mean"], 1.0);
  EXPECT_EQ(json["runs"].size(), 4u);
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
  // Another learning rate that is worse: the best is still the old one, whose weights are gone.
  run({"train.lr=[1e-2, 1e-9]", "train.seeds=[2]"});
  EXPECT_EQ(out("model/model.safetensors"), model);
}

TEST_F(Finetune, RegressionReportsCorrelations) {
  const FinetuneResults results = run({"task.kind=regression", "task.train=numbers.tsv",
                                       "task.dev=numbers.tsv", "train.lr=1e-2", "train.epochs=6"});
  const PointResult& run = results.runs.front();
  EXPECT_GT(run.best_score, 0.99);
  EXPECT_GT(score_of(run.epochs.back().scores, Metric::kSpearman), 0.8);
  EXPECT_EQ(score_of(results.chance, Metric::kPearson), 0.0);
  EXPECT_TRUE(out("predictions-dev.tsv").starts_with("index\tprediction\tlabel\n"));
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
  EXPECT_EQ(best_summary(summaries), &summaries[1]);
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
  save_hf_model(*random_model(spec, 1), dir_ / "model", std::nullopt);
  EXPECT_EQ(error_text<DataError>(dir_, [&] { run(); }),
            "DIR/model: the tokenizer has 257 tokens, but the model's vocabulary only 31");
  fs::remove(dir_ / "model/tokenizer.json");
  fs::remove(dir_ / "model/vocab.json");
  EXPECT_EQ(error_text<DataError>(dir_, [&] { run(); }),
            "DIR/model: no tokenizer here; expected tokenizer.json, vocab.json and merges.txt, "
            "encoder.json and vocab.bpe, or vocab.txt");
}

}  // namespace
}  // namespace apollo
