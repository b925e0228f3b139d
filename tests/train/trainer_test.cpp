#include "train/trainer.h"

#include <unistd.h>

#include <set>

#include "base/file.h"
#include "support/thrown_text.h"
#include "tiny_run.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

TEST(Trainer, WritesWhatTheDesignNames) {
  const TinyRun run;
  run.train("out");
  for (const char* name : {"run.toml", "metrics.jsonl", "log.txt", "checkpoints/latest/config.json",
                           "checkpoints/step-00000012/apollo/state.json"}) {
    EXPECT_TRUE(fs::exists(run / "out" / name)) << name;
  }
  EXPECT_EQ(run.rows("out", "start").size(), 1u);
  EXPECT_EQ(run.rows("out", "end").at(0).at("reason"), "finished");
  const auto steps = run.rows("out", "step");
  ASSERT_EQ(steps.size(), 12u);
  double flops = 0.0;
  const int64_t layers[] = {1, 1, 1, 3, 3, 3, 6, 6, 6, 12, 12, 12};
  for (size_t i = 0; i < steps.size(); ++i) {
    const Json& row = steps[i];
    EXPECT_EQ(row.at("step"), i + 1);
    EXPECT_EQ(row.at("tokens"), (i + 1) * 64);
    EXPECT_EQ(row.at("layers"), layers[i]);
    EXPECT_EQ(row.at("stage"), i / 3);
    EXPECT_GE(row.at("depth"), layers[i]);
    EXPECT_LE(row.at("depth"), 12);
    flops += train_flops({Architecture::kGpt2, 12, 16, 2, 16, 257}, row.at("depth"), 4, 16);
    EXPECT_EQ(row.at("flops").get<double>(), flops);
    for (const char* key : {"wall_s", "energy_j", "loss", "lr", "grad_norm", "tokens_per_s"}) {
      EXPECT_TRUE(row.contains(key)) << key;
    }
  }
}

TEST(Trainer, MuonGrowsExactlyAndItsProductsAreCounted) {
  const TinyRun run;
  run.train("out", {"train.optimizer=muon", "train.lr=1e-3"});
  const auto grown = run.rows("out", "grow");
  ASSERT_EQ(grown.size(), 3u);
  for (const Json& row : grown)
    EXPECT_EQ(row.at("loss_before").get<double>(), row.at("loss_after").get<double>());
  EXPECT_NE(grown[0].at("loss_before"), grown[1].at("loss_before")) << "it trains in between";
  EXPECT_EQ(run.rows("out", "start").at(0).at("optimizer"), "muon");
  // The update of a block of width 16: four matrices of 16 x 16 and two of 16 x 64.
  const double update = 5 * (4 * (2 * 3 * 16 * 16 * 16) + 2 * 2 * 16 * 16 * (2 * 64 + 16));
  double flops = 0.0;
  for (const Json& row : run.rows("out", "step")) {
    flops += train_flops({Architecture::kGpt2, 12, 16, 2, 16, 257}, row.at("depth"), 4, 16) +
             update * row.at("layers").get<double>();
    EXPECT_EQ(row.at("flops").get<double>(), flops);
  }
}

TEST(Trainer, ARunHasOneOptimizer) {
  const TinyRun run;
  run.train("out");
  EXPECT_EQ(thrown_text<ConfigError>([&] { run.train("out", {"train.optimizer=muon"}); }),
            (run / "out").string() +
                ": error: the run in this folder was started with other values:\n"
                "    train.optimizer: \"adamw\" -> \"muon\"\n"
                "  hint: take them back to go on with it, or start another run with --out");
  EXPECT_EQ(read_json(run / "out/checkpoints/latest/apollo/state.json").at("optimizer"), "adamw");
}

TEST(Trainer, ARateIsHeldAgainstAMeasuredPeak) {
  const TinyRun run;
  run.train("out");
  const double peak = run.rows("out", "start").at(0).at("peak_flops_per_s");
  EXPECT_GT(peak, 1e8);
  double flops = 0.0;
  for (const Json& row : run.rows("out", "step")) {
    const double seconds = 64.0 / row.at("tokens_per_s").get<double>();
    const double rate = (row.at("flops").get<double>() - flops) / seconds;
    EXPECT_NEAR(row.at("model_flops_utilisation").get<double>(), rate / peak, 1e-6 * rate / peak);
    flops = row.at("flops");
  }
}

TEST(Trainer, RevisionsStayUnderTheirNames) {
  const TinyRun run;
  const std::vector<std::string> overrides = {
      "checkpoint.keep=1", "checkpoint.every=5 steps",
      "checkpoint.at=[\"0 steps\", \"2 steps\", \"50%\", \"0.1k tokens\", \"10M tokens\"]"};
  run.train("out", overrides);
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(run / "out/revisions"))
    names.insert(entry.path().filename());
  EXPECT_EQ(names, (std::set<std::string>{"0-steps", "2-steps", "50-percent", "100-tokens"}))
      << "10M tokens were not read";
  const std::pair<const char*, int64_t> expected[] = {
      {"0-steps", 0}, {"2-steps", 2}, {"100-tokens", 2}, {"50-percent", 6}};
  for (const auto& [name, step] : expected) {
    const Json state = read_json(run / "out/revisions" / name / "apollo/state.json");
    EXPECT_EQ(state.at("position").at("step"), step) << name;
  }
  std::set<std::string> folders;
  for (const auto& entry : fs::directory_iterator(run / "out/checkpoints"))
    folders.insert(entry.path().filename());
  EXPECT_EQ(folders, (std::set<std::string>{"best", "latest", "step-00000000", "step-00000002",
                                            "step-00000006", "step-00000012"}));
  // Resuming from one of them names the later ones again and changes no number.
  const Json last = run.rows("out", "step").back();
  replace_link(run / "out/checkpoints/latest", "step-00000002");
  fs::remove(run / "out/revisions/50-percent");
  run.train("out", overrides);
  EXPECT_EQ(fs::read_symlink(run / "out/revisions/50-percent"), "../checkpoints/step-00000006");
  EXPECT_EQ(run.rows("out", "step").back().at("loss"), last.at("loss"));
}

TEST(Trainer, EvaluatesAtTheStageAndTheFullDepth) {
  const TinyRun run;
  run.train("out");
  std::vector<std::pair<int64_t, int64_t>> found;
  for (const Json& row : run.rows("out", "eval"))
    found.emplace_back(row["step"], row["depth"]);
  const std::vector<std::pair<int64_t, int64_t>> expected = {{0, 1}, {0, 12}, {4, 3},  {4, 12},
                                                             {8, 6}, {8, 12}, {12, 12}};
  EXPECT_EQ(found, expected);
}

TEST(Trainer, LeavesOutEvaluationsWhileTheyHaveCostTooMuch) {
  const TinyRun run;
  set_log_level(LogLevel::kWarning);  // so that log.txt is written
  run.train("out", {"eval.every=1 steps", "eval.max_cost=0.5"});
  set_log_level(LogLevel::kQuiet);
  double training = 0.0;
  double evaluation = 0.0;
  int64_t last = -1;
  for (const Json& row : run.rows("out", "eval")) {
    const int64_t step = row.at("step");
    if (step != last && step != 12)
      EXPECT_LE(evaluation, 0.5 * row.at("flops").get<double>()) << step;
    last = step;
    training = row.at("flops");
    evaluation = row.at("eval_flops");
  }
  EXPECT_NE(read_file(run / "out/log.txt").find("an evaluation is left out"), std::string::npos);
  EXPECT_EQ(last, 12) << "the end is evaluated in any case";
  EXPECT_GT(evaluation, 0.25 * training) << "as much as allowed";
  EXPECT_LT(run.rows("out", "eval").size(), 13u);
}

TEST(Trainer, TheFinalModelReadsTheTestDataOnce) {
  const TinyRun run;
  run.write("test.txt", made_up_text(500, 3));
  const std::vector<std::string> sets = {"data.test=[\"test.txt\"]"};
  run.train("out", sets);
  const auto rows = run.rows("out", "test");
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].at("step"), 12);
  EXPECT_EQ(rows[0].at("depth"), 12);
  EXPECT_EQ(rows[0].at("targets"), 500 / 16 * 16);
  {
    const auto finished = run.open("out", sets);
    EXPECT_EQ(
        rows[0].at("loss").get<double>(),
        evaluate(*finished.state.model, 12, *finished.test, {.batch_size = 2, .pass = {}}).loss);
    EXPECT_EQ(rows[0].at("data"), finished.data.test->info().content_hash);
  }
  Trainer(run.open("out", sets)).run();
  EXPECT_EQ(run.rows("out", "test").size(), 1u);
  // Reading it changes nothing that comes before.
  run.train("without");
  EXPECT_EQ(run.rows("out", "eval").back().at("loss"),
            run.rows("without", "eval").back().at("loss"));
}

TEST(Trainer, GrowthKeepsTheLossToTheBit) {
  const TinyRun run;
  for (const char* map : {"interpolate", "stack"}) {
    run.train(map, {std::string("progressive.layer_map=") + map});
    const auto rows = run.rows(map, "grow");
    ASSERT_EQ(rows.size(), 3u);
    const int64_t expected[][3] = {{3, 1, 3}, {6, 3, 6}, {9, 6, 12}};
    for (size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].at("step"), expected[i][0]);
      EXPECT_EQ(rows[i].at("from"), expected[i][1]);
      EXPECT_EQ(rows[i].at("to"), expected[i][2]);
      EXPECT_EQ(rows[i].at("map").size(), static_cast<size_t>(expected[i][2]));
      ASSERT_TRUE(rows[i].at("loss_before").is_number());
      EXPECT_EQ(rows[i].at("loss_before").get<double>(), rows[i].at("loss_after").get<double>());
    }
    EXPECT_NE(rows[0].at("loss_before"), rows[1].at("loss_before")) << "it trains in between";
  }
}

// Growth to the final depth never shows this, because sharing and growth then use one map.
TEST(Trainer, ABertGrowsWithoutChangeAndFindsMaskedWords) {
  const TinyRun run;
  run.train("out", {"model.architecture=bert", "data.tokenizer=train:wordpiece:60",
                    "train.duration=24 steps", "train.micro_batch_size=2"});
  const auto grown = run.rows("out", "grow");
  ASSERT_EQ(grown.size(), 3u);
  for (const Json& row : grown)
    EXPECT_EQ(row.at("loss_before").get<double>(), row.at("loss_after").get<double>());
  for (const Json& row : run.rows("out", "eval")) {
    EXPECT_GE(row.at("accuracy"), 0.0);
    EXPECT_LE(row.at("accuracy"), 1.0);
    EXPECT_TRUE(row.at("ppl").is_null());
    EXPECT_TRUE(row.at("bpb").is_null());
  }
  // 2 of 14 positions are masked, and only those run through the head.
  const auto steps = run.rows("out", "step");
  const auto vocab_size = run.rows("out", "start").at(0).at("vocab_size").get<int64_t>();
  const ModelShape shape{Architecture::kBert, 12, 16, 2, 16, vocab_size};
  double flops = 0.0;
  for (const Json& row : steps) {
    flops += train_flops(shape, row.at("depth"), 4, 2);
    EXPECT_EQ(row.at("flops").get<double>(), flops);
  }
  EXPECT_LT(steps.back().at("loss"), steps.front().at("loss"));
}

TEST(Trainer, GrowthThatIsNotNestedChangesTheLoss) {
  const TinyRun run;
  run.train("out", {"progressive.stages=[{layers=3,until=\"4 steps\"},{layers=5,until=\"8 steps\"},"
                    "{layers=12}]",
                    "train.lr=0.05"});
  const Json row = run.rows("out", "grow").at(0);
  EXPECT_NE(row.at("loss_before").get<double>(), row.at("loss_after").get<double>());
}

TEST(Trainer, AStageHasTheMemoryOfItsOwnLayers) {
  const TinyRun run;
  run.train("out", {"checkpoint.every=2 steps", "checkpoint.keep=20"});
  const std::pair<int64_t, int64_t> layers_at[] = {{2, 1}, {4, 3}, {8, 6}, {12, 12}};
  for (const auto& [step, layers] : layers_at) {
    replace_link(run / "out/checkpoints/latest", fmt::format("step-{:08}", step));
    const LoadedCheckpoint loaded = run.latest("out");
    const ParameterSet& parameters = loaded.state.model->parameters();
    EXPECT_EQ(loaded.state.model->num_layers(), layers);
    EXPECT_EQ(parameters.layout().num_parameters(),
              num_parameters(loaded.state.model->spec().shape, layers));
    const int64_t size = parameters.layout().total_size();
    // Padding to 16 elements per tensor; there are 12 tensors per layer and four others.
    EXPECT_LT(size, parameters.layout().num_parameters() + 16 * (12 * layers + 4));
    EXPECT_EQ(parameters.values().numel(), size);
    EXPECT_EQ(parameters.gradients().numel(), size);
    for (const OptimizerState::Buffer& buffer : loaded.state.optimizer.buffers)
      EXPECT_EQ(buffer.values.numel(), size) << buffer.name;
    EXPECT_EQ(loaded.state.optimizer.buffers.size(), 2U);
  }
}

TEST(Trainer, LeavesAFinishedRunAlone) {
  const TinyRun run;
  run.train("out");
  const std::string before = read_file(run / "out/metrics.jsonl");
  run.train("out");
  EXPECT_EQ(read_file(run / "out/metrics.jsonl"), before);
}

TEST(Trainer, RefusesAChangedConfig) {
  const TinyRun run;
  run.train("out");
  EXPECT_EQ(thrown_text<ConfigError>([&] {
              run.train("out", {"train.lr=0.02", "model.dropout=0.2", "eval.every=1 steps"});
            }),
            (run / "out").string() +
                ": error: the run in this folder was started with other values:\n"
                "    model.dropout: 0.1 -> 0.2\n"
                "    train.lr: 0.01 -> 0.02\n"
                "  hint: take them back to go on with it, or start another run with --out");
  // Keys without effect on the numbers may change.
  EXPECT_NO_THROW(run.train(
      "out", {"eval.every=1 steps", "checkpoint.keep=1", "run.name=other", "run.threads=2"}));
}

TEST(Trainer, RefusesChangedData) {
  const TinyRun run;
  run.train("out");
  run.write("train.txt", made_up_text(3000, 9));
  EXPECT_EQ(thrown_text<ConfigError>([&] { run.train("out"); }),
            (run / "out").string() +
                ": error: the run in this folder was started with other values:\n"
                "    the training data\n"
                "  hint: take them back to go on with it, or start another run with --out");
}

TEST(Trainer, OnlyOneTrainsInAFolder) {
  const TinyRun run;
  const Trainer first(run.open("out"));
  EXPECT_EQ(thrown_text<Error>([&] { run.open("out"); }),
            (run / "out").string() + ": in use by another process (process id " +
                std::to_string(::getpid()) + ")");
}

TEST(Trainer, WorksWithoutValidationData) {
  const TinyRun run;
  run.train("out", {"data.valid=[]"});
  EXPECT_TRUE(run.rows("out", "eval").empty());
  EXPECT_EQ(run.rows("out", "step").size(), 12u);
  for (const Json& row : run.rows("out", "grow"))
    EXPECT_TRUE(row.at("loss_before").is_null());
  EXPECT_EQ(run.latest("out").state.position.step, 12);
}

TEST(Trainer, StopsBeforeAStepThatDiverges) {
  const TinyRun run;
  EXPECT_THROW(run.train("out", {"train.lr=1e30", "train.warmup=0 steps"}), DivergedError);
  EXPECT_EQ(run.rows("out", "end").at(0).at("reason"), "diverged");
}

TEST(Trainer, RefusesAModelThatDoesNotFitBeforeItIsMade) {
  const TinyRun run;
  const std::string message = thrown_text<ConfigError>([&] {
    run.train("out", {"model.layers=200", "model.width=20000", "model.heads=2",
                      "progressive.method=scratch", "progressive.stages=[{layers = 200}]"});
  });
  EXPECT_NE(message.find("200 layers of width 20000 with a vocabulary of 257 have 960B parameters, "
                         "whose training takes at least "),
            std::string::npos)
      << message;
}

TEST(Trainer, NamesAFolderThatCannotBeMade) {
  const TinyRun run;
  run.write("file", "");
  EXPECT_EQ(thrown_text<Error>([&] { run.train("file/out"); }),
            (run / "file/out").string() + ": cannot make the run folder: Not a directory");
}

std::vector<double> losses(const TinyRun& run, const std::string& name) {
  std::vector<double> found;
  for (const Json& row : run.rows(name, "step"))
    found.push_back(row.at("loss"));
  return found;
}

TEST(Trainer, EveryMethodTrainsBothArchitectures) {
  const TinyRun run;
  // Without stages in the config, the method gives them.
  std::string config = read_file(run / "run.toml");
  const size_t begin = config.find("stages = ");
  config.erase(begin, config.find("[eval]") - begin);
  run.write("run.toml", config);
  for (const char* architecture : {"gpt2", "bert"}) {
    for (const char* method :
         {"stackbert", "mslt", "gstack", "midas", "lidas", "one_hop", "raptr", "identity"}) {
      const std::string name = std::string(architecture) + "-" + method;
      SCOPED_TRACE(name);
      run.train(name, {std::string("model.architecture=") + architecture,
                       "data.tokenizer=train:wordpiece:60", "train.duration=24 steps",
                       std::string("progressive.method=") + method, "model.dropout=0"});
      EXPECT_EQ(run.latest(name).state.model->num_layers(), 12);
      EXPECT_EQ(run.rows(name, "grow").empty(), method == std::string("raptr"));
      const std::vector<Json> evaluations = run.rows(name, "eval");
      EXPECT_LT(evaluations.back().at("loss"), evaluations.front().at("loss"));
      for (const Json& row : run.rows(name, "grow")) {
        if (method != std::string("identity") || architecture != std::string("gpt2")) continue;
        EXPECT_EQ(row.at("own_loss_before").get<double>(), row.at("own_loss_after").get<double>());
        EXPECT_NE(row.at("loss_before").get<double>(), row.at("loss_after").get<double>());
      }
    }
  }
}

TEST(Trainer, ARunMayBeginWithoutLayers) {
  const TinyRun run;
  run.train("out", {"progressive.new_layers=random", "progressive.depth_sampler=shallowest",
                    "progressive.stages=[{layers=0,until=\"6 steps\"},{layers=12}]"});
  const Json grown = run.rows("out", "grow").at(0);
  EXPECT_EQ(grown.at("map"), Json(std::vector<int64_t>(12, kFresh)));
  EXPECT_TRUE(grown.at("loss_before").is_null());
  EXPECT_TRUE(grown.at("own_loss_before").is_number());
  EXPECT_EQ(grown.at("loss_after"), grown.at("own_loss_after"));
  std::vector<std::pair<std::string, int64_t>> evaluations;
  for (const Json& row : run.rows("out", "eval"))
    evaluations.emplace_back(row.at("which"), row.at("depth"));
  EXPECT_EQ(evaluations, (std::vector<std::pair<std::string, int64_t>>{
                             {"stage", 0}, {"stage", 0}, {"full", 12}, {"full", 12}}));
}

TEST(Trainer, IdeasAreOffByDefault) {
  const TinyRun run;
  run.train("default");
  run.train("off", {"progressive.new_layers=copy", "progressive.stratify=0",
                    "progressive.lr_depth_power=0", "progressive.rewarm=0 steps"});
  EXPECT_EQ(losses(run, "off"), losses(run, "default"));
  for (const char* key : {"stratify=4", "lr_depth_power=0.5", "rewarm=2 steps",
                          "optimizer_state=keep", "new_layers=random"}) {
    run.train(key, {std::string("progressive.") + key});
    EXPECT_NE(losses(run, key), losses(run, "default")) << key;
  }
}

TEST(Trainer, TellsItsHookWhatItWritesInOrder) {
  const TinyRun run;
  std::vector<std::string> told;
  Trainer trainer(run.open("out"));
  trainer.on_row([&](const Json& row) { told.push_back(row.dump()); });
  trainer.run();
  std::vector<std::string> written;
  read_json_lines(run / "out/metrics.jsonl", [&](Json&& row) {
    const std::string event = row.at("event");
    if (event != "start" && event != "checkpoint" && event != "end") written.push_back(row.dump());
  });
  EXPECT_EQ(told, written);
  EXPECT_GT(told.size(), 12u);
}

// Wherever a hook throws, nothing is lost: the run ends with the same bits when it is opened again.
TEST(Trainer, AHookThatThrowsStopsTheRunWhichGoesOn) {
  const TinyRun run;
  run.train("whole");
  for (const char* event : {"step", "eval", "grow"}) {
    const std::string out = std::string("stopped-at-") + event;
    {
      Trainer trainer(run.open(out));
      int64_t countdown = 2;
      trainer.on_row([&](const Json& row) {
        if (row.at("event") == event && --countdown == 0) throw std::out_of_range("enough");
      });
      EXPECT_THROW(trainer.run(), std::out_of_range);
      EXPECT_FALSE(trainer.step());
    }
    EXPECT_EQ(run.rows(out, "end").at(0).at("reason"), "stopped");
    run.train(out);
    expect_equal_states(run.latest(out).state, run.latest("whole").state);
    EXPECT_EQ(losses(run, out), losses(run, "whole"));
  }
}

TEST(Trainer, TwoRunsTakeTurnsInOneProcess) {
  const TinyRun run;
  const std::vector<std::string> bert = {"model.architecture=bert",
                                         "data.tokenizer=train:wordpiece:60"};
  run.train("gpt2");
  run.train("bert", bert);
  Trainer first(run.open("gpt2-in-turns"));
  Trainer second(run.open("bert-in-turns", bert));
  bool going = true;
  while (going) {
    const bool first_goes = first.step();
    going = second.step() || first_goes;
  }
  EXPECT_FALSE(first.step());
  for (const char* name : {"gpt2", "bert"}) {
    const std::string in_turns = std::string(name) + "-in-turns";
    expect_equal_states(run.latest(in_turns).state, run.latest(name).state);
    EXPECT_EQ(losses(run, in_turns), losses(run, name));
  }
}

}  // namespace
}  // namespace apollo
