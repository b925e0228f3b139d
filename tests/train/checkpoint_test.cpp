#include "train/checkpoint.h"

#include <ATen/core/grad_mode.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "base/file.h"
#include "support/test_device.h"
#include "support/thrown_text.h"
#include "tiny_run.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// A state with a value in every field, after real updates and growth.
TrainState trained_state(const TinyRun& run) {
  const StepRoom room(run, {});
  TrainState state = room.fresh_state();
  for (int i = 0; i < 2; ++i)
    train_step(state, room.run());
  const LayerMap map = growth_map(LayerMapKind::kInterpolate, 1, 3);
  auto grown = make_model(state.model->spec(), 3, test_device());
  const at::NoGradGuard no_grad;
  grown->parameters().initialize(3);
  state.optimizer =
      grow_optimizer_state(state.optimizer, state.model->parameters().layout(),
                           grown->parameters().layout(), map, OptimizerStateRule::kKeep);
  state.model = std::move(grown);
  state.position.hours = 0.1;  // no short binary fraction
  state.stage = {1, {1, 1e3 / 3, 0.07}};
  state.stage.grown_from = 1;
  state.eval_flops = 1e10 / 7;
  state.eval_seconds = 0.3;
  state.energy_joules = 1.7;
  state.evaluations_due = 3;
  state.checkpoints_due = 4;
  state.last_evaluated_step = 1;
  state.best = {.loss = 5.0 / 3, .step = 1, .since = 2};
  return state;
}

const CheckpointInfo kInfo = {"config", "train", "valid", "tokenizer", 12345, "adamw", "blas"};

CheckpointCopy copy_of(const TrainState& state) {
  return copy_for_checkpoint(state, copy_on_host(state.optimizer), kInfo);
}

class CheckpointTest : public testing::Test {
 protected:
  fs::path save_at(int64_t step, int64_t keep = 5) {
    state_.position.step = step;
    return write_checkpoint(dir_, copy_of(state_), tokenizer_.get(), keep);
  }
  std::string load_error() const {
    std::string text =
        thrown_text<CheckpointError>([&] { load_latest_checkpoint(dir_, at::kCPU); });
    for (size_t at; (at = text.find(dir_.string())) != std::string::npos;) {
      text.replace(at, dir_.string().size(), "DIR");
    }
    return text;
  }
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : fs::directory_iterator(dir_))
      found.insert(entry.path().filename());
    return found;
  }

  TinyRun run_;
  fs::path dir_ = run_ / "checkpoints";
  TrainState state_ = trained_state(run_);
  std::unique_ptr<Tokenizer> tokenizer_ = load_tokenizer("bytes");
};

TEST_F(CheckpointTest, RoundTripsToTheBit) {
  EXPECT_FALSE(load_latest_checkpoint(dir_, at::kCPU));
  save_at(2);
  const LoadedCheckpoint loaded = load_latest_checkpoint(dir_, at::kCPU).value();
  expect_equal_states(loaded.state, state_);
  EXPECT_EQ(loaded.state.model->spec(), state_.model->spec());
  EXPECT_EQ(loaded.state.position, state_.position);
  EXPECT_EQ(loaded.state.stage, state_.stage);
  EXPECT_EQ(loaded.state.eval_seconds, state_.eval_seconds);
  EXPECT_EQ(loaded.state.energy_joules, state_.energy_joules);
  EXPECT_EQ(loaded.state.checkpoints_due, state_.checkpoints_due);
  EXPECT_EQ(loaded.state.best, state_.best);
  EXPECT_EQ(loaded.info.config_hash, "config");
  EXPECT_EQ(loaded.info.train_data, "train");
  EXPECT_EQ(loaded.info.valid_data, "valid");
  EXPECT_EQ(loaded.info.tokenizer_hash, "tokenizer");
  EXPECT_EQ(loaded.info.metrics_bytes, 12345);
  EXPECT_GT(std::set<int64_t>(state_.optimizer.num_steps.begin(), state_.optimizer.num_steps.end())
                .size(),
            1u)
      << "slots of different ages, or the test says little";
}

TEST_F(CheckpointTest, TheBestStaysUntilThereIsABetterOne) {
  const auto save = [&](int64_t step, bool is_best) {
    state_.position.step = step;
    CheckpointCopy copy = copy_of(state_);
    copy.is_best = is_best;
    write_checkpoint(dir_, copy, tokenizer_.get(), /*keep=*/1);
  };
  save(2, true);
  save(3, false);
  save(4, false);
  EXPECT_EQ(names(), (std::set<std::string>{"best", "latest", "step-00000002", "step-00000004"}));
  EXPECT_EQ(fs::read_symlink(dir_ / "best"), "step-00000002");
  save(5, true);
  save(6, false);
  EXPECT_EQ(names(), (std::set<std::string>{"best", "latest", "step-00000005", "step-00000006"}));
  EXPECT_EQ(fs::read_symlink(dir_ / "best"), "step-00000005");
}

TEST_F(CheckpointTest, LoadsThePartOfTheMomentsThatIsAskedFor) {
  save_at(2);
  const ElementRange part = {160, 1456};  // begins and ends inside of tensors
  const LoadedCheckpoint loaded =
      load_latest_checkpoint(dir_, at::kCPU, [&](const ParameterLayout&) { return part; }).value();
  ASSERT_EQ(loaded.state.optimizer.buffers.size(), state_.optimizer.buffers.size());
  for (const OptimizerState::Buffer& whole : state_.optimizer.buffers) {
    const OptimizerState::Buffer& own = loaded.state.optimizer.find(whole.name);
    EXPECT_EQ(own.part(), part);
    EXPECT_TRUE(own.values.equal(whole.values.slice(0, part.begin, part.end)));
    EXPECT_GT(own.values.abs().sum().item<double>(), 0.0);
  }
  EXPECT_EQ(loaded.state.optimizer.num_steps, state_.optimizer.num_steps);
}

TEST_F(CheckpointTest, ACopyIsNotTouchedByTrainingThatGoesOn) {
  const CheckpointCopy copy = copy_of(state_);
  const TrainState before = trained_state(run_);
  state_.model->parameters().values().zero_();
  for (OptimizerState::Buffer& buffer : state_.optimizer.buffers)
    buffer.values.zero_();
  state_.optimizer.num_steps.assign(state_.optimizer.num_steps.size(), 0);
  state_.tokens = -1;
  write_checkpoint(dir_, copy, tokenizer_.get(), /*keep=*/1);
  expect_equal_states(load_latest_checkpoint(dir_, at::kCPU)->state, before);
}

TEST_F(CheckpointTest, IsAFolderOfHuggingFaceNames) {
  const fs::path saved = save_at(2);
  EXPECT_EQ(saved, dir_ / "step-00000002");
  for (const char* name :
       {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        "apollo/optimizer.safetensors", "apollo/state.json"}) {
    EXPECT_TRUE(fs::exists(saved / name)) << name;
  }
}

TEST_F(CheckpointTest, KeepsTheNewestAndLinksTheLatest) {
  for (const int64_t step : {1, 2, 3})
    save_at(step, /*keep=*/2);
  EXPECT_EQ(names(), (std::set<std::string>{"latest", "step-00000002", "step-00000003"}));
  EXPECT_EQ(fs::read_symlink(dir_ / "latest"), "step-00000003");
  // A run that went back to an older one keeps what it saves.
  save_at(1, /*keep=*/1);
  EXPECT_EQ(fs::read_symlink(dir_ / "latest"), "step-00000001");
  EXPECT_EQ(load_latest_checkpoint(dir_, at::kCPU)->state.position.step, 1);
}

TEST_F(CheckpointTest, RemovesWhatAKillLeftHalfWritten) {
  fs::create_directories(dir_ / ".step-00000001.new/apollo");
  save_at(2);
  EXPECT_EQ(names(), (std::set<std::string>{"latest", "step-00000002"}));
}

TEST_F(CheckpointTest, AFlippedBitIsFound) {
  save_at(1);
  const fs::path saved = save_at(2);
  for (const char* name : {"model.safetensors", "apollo/optimizer.safetensors", "config.json",
                           "tokenizer.json", "tokenizer_config.json"}) {
    const std::string whole = read_file(saved / name);
    std::string damaged = whole;
    damaged[damaged.size() / 2] ^= 4;
    write_file_atomic(saved / name, damaged);
    EXPECT_EQ(load_error(), std::string("DIR: checkpoint 'step-00000002' is damaged: ") + name +
                                ": its content is not what was saved; hint: `ln -sfn "
                                "step-00000001 DIR/latest` goes on from the one before");
    write_file_atomic(saved / name, whole.substr(0, whole.size() / 2));
    EXPECT_NE(load_error().find("its content is not what was saved"), std::string::npos) << name;
    write_file_atomic(saved / name, whole);
  }
  EXPECT_TRUE(load_latest_checkpoint(dir_, at::kCPU));
}

TEST_F(CheckpointTest, AMissingFileIsNamed) {
  const fs::path saved = save_at(2);
  fs::remove(saved / "apollo/state.json");
  EXPECT_EQ(load_error(),
            "DIR: checkpoint 'step-00000002' is damaged: DIR/step-00000002/apollo/state.json: "
            "cannot open: No such file or directory; hint: remove the folder to start the run "
            "anew");
  fs::remove_all(saved);
  EXPECT_TRUE(load_error().starts_with("DIR: checkpoint 'step-00000002' is damaged: "))
      << load_error();
}

TEST_F(CheckpointTest, ADamagedStateIsRefused) {
  const fs::path path = save_at(2) / "apollo/state.json";
  const std::string whole = read_file(path);
  write_file_atomic(path, whole.substr(0, whole.size() / 2));
  EXPECT_NE(load_error().find("damaged JSON at byte"), std::string::npos) << load_error();
  Json json = Json::parse(whole);
  json["format_version"] = 99;
  write_file_atomic(path, json.dump());
  EXPECT_EQ(
      load_error(),
      "DIR: checkpoint 'step-00000002' is damaged: apollo/state.json: expected format version "
      "2, found 99; hint: Apollo of another version can go on with it; `apollo export` and "
      "`model.from` take the model as it is; hint: remove the folder to start the "
      "run anew");
  json = Json::parse(whole);
  json["tokens"] = 1;
  write_file_atomic(path, json.dump());
  EXPECT_NE(load_error().find("apollo/state.json: its content is not what was saved"),
            std::string::npos)
      << load_error();
}

// A process that may not write files beyond 3000 bytes simulates a full disk.
TEST_F(CheckpointTest, AFullDiskLeavesTheOneBefore) {
  APOLLO_SKIP_UNLESS_ON_CPU("a forked process cannot use the GPU of its parent");
  save_at(1);
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{3000, 3000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string text = thrown_text<Error>([&] { save_at(2); });
    ::_exit(text.find("cannot write: File too large") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(names(), (std::set<std::string>{"latest", "step-00000001"}));
  EXPECT_EQ(load_latest_checkpoint(dir_, at::kCPU)->state.position.step, 1);
}

}  // namespace
}  // namespace apollo
