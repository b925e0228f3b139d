#include "train/checkpoint_writer.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "support/thrown_text.h"
#include "tiny_run.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

class CheckpointWriterTest : public testing::Test {
 protected:
  CheckpointWriterTest() { run_.write("metrics.jsonl", ""); }

  void start(CheckpointWriter& writer, int64_t step) {
    state_.position.step = step;
    writer.start(copy_for_checkpoint(state_, copy_on_host(state_.optimizer), {}),
                 CheckpointWriter::Clock::now());
  }
  int64_t latest_step() const {
    return load_latest_checkpoint(dir_, at::kCPU)->state.position.step;
  }

  TinyRun run_;
  fs::path dir_ = run_ / "checkpoints";
  StepRoom room_{run_, {}};
  TrainState state_ = room_.fresh_state();
  CheckpointWriter writer_{run_ / "", /*tokenizer=*/nullptr, /*keep=*/5};
};

TEST_F(CheckpointWriterTest, ACheckpointIsTakenOnceItIsThere) {
  EXPECT_FALSE(writer_.wait());
  EXPECT_FALSE(writer_.poll());
  start(writer_, 3);
  const auto written = writer_.wait();
  ASSERT_TRUE(written);
  EXPECT_EQ(written->path, "checkpoints/step-00000003");
  EXPECT_EQ(latest_step(), 3);
  EXPECT_FALSE(writer_.poll());

  start(writer_, 4);
  std::optional<WrittenCheckpoint> polled;
  while (!polled) {
    polled = writer_.poll();
    std::this_thread::yield();
  }
  EXPECT_EQ(polled->path, "checkpoints/step-00000004");
  EXPECT_EQ(latest_step(), 4);
}

TEST_F(CheckpointWriterTest, ItsEndWaitsForTheOneInFlight) {
  {
    CheckpointWriter writer(run_ / "", nullptr, 5);
    start(writer, 7);
  }
  EXPECT_EQ(latest_step(), 7);
}

// A file in place of the folder simulates a folder that may not be written to.
TEST_F(CheckpointWriterTest, AnErrorIsThrownWhereTheResultIsAskedFor) {
  run_.write("checkpoints", "");
  const std::string expected = dir_.string() + ": cannot make folder: Not a directory";
  start(writer_, 1);
  EXPECT_EQ(thrown_text<Error>([&] { writer_.wait(); }), expected);
  EXPECT_FALSE(writer_.wait());
  fs::remove(dir_);
  start(writer_, 2);
  EXPECT_TRUE(writer_.wait());
  EXPECT_EQ(latest_step(), 2);
}

// Like the writer's other errors, but in the middle of a file.
TEST_F(CheckpointWriterTest, AFullDiskLeavesTheOneBefore) {
  APOLLO_SKIP_UNLESS_ON_CPU("a forked process cannot use the GPU of its parent");
  start(writer_, 1);
  writer_.wait();
  const pid_t child = ::fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{3000, 3000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    start(writer_, 2);
    const std::string text = thrown_text<Error>([&] { writer_.wait(); });
    const bool names_it = text.find("checkpoints/.step-00000002.") != std::string::npos &&
                          text.find(".new/") != std::string::npos &&
                          text.find("cannot write: File too large") != std::string::npos;
    ::_exit(names_it ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(latest_step(), 1);
}

}  // namespace
}  // namespace apollo
