#include "train/evaluation.h"

#include <ATen/TensorOperators.h>

#include <cmath>
#include <csignal>
#include <limits>

#include "base/stop_signal.h"
#include "data/fill_range.h"
#include "support/test_device.h"
#include "tiny_run.h"

namespace apollo {
namespace {

TEST(Evaluation, IsTheMeanOverAllTargetsWhateverTheBatch) {
  const TinyRun run;
  run.write("train.txt", made_up_text(7 * 16 + 9));  // seven sequences and a rest
  const StepRoom room(run, {});
  const TrainState state = room.fresh_state();
  ASSERT_EQ(room.data().num_sequences(), 7);
  for (const int64_t depth : {1, 5, 12}) {
    double total = 0.0;
    for (int64_t s = 0; s < 7; ++s) {
      TokenBatch batch;
      fill_range(room.data(), s, 1, batch);
      total -= state.model
                   ->score_targets(to_device(batch, test_device()), state.model->blocks(depth), {})
                   .log_probability_M.sum()
                   .item<double>();
    }
    for (const int64_t batch_size : {1, 3, 7, 64}) {
      const EvaluationResult result =
          evaluate(*state.model, depth, room.data(), {.batch_size = batch_size, .pass = {}});
      EXPECT_NEAR(result.loss, total / (7 * 16), 1e-6) << batch_size;
      EXPECT_EQ(result.num_targets, 7 * 16);
      EXPECT_EQ(result.flops, forward_flops(room.shape(), depth, 7, 16, 7 * 16));
    }
  }
}

TEST(Evaluation, StopsAfterTheTokensAskedForRoundedUpToASequence) {
  const TinyRun run;
  const StepRoom room(run, {});
  const TrainState state = room.fresh_state();
  const auto targets = [&](int64_t max_tokens) {
    return evaluate(*state.model, 12, room.data(),
                    {.batch_size = 2, .max_tokens = max_tokens, .pass = {}})
        .num_targets;
  };
  EXPECT_EQ(targets(1), 16);
  EXPECT_EQ(targets(16), 16);
  EXPECT_EQ(targets(17), 32);
  EXPECT_EQ(targets(33), 48);
  EXPECT_EQ(targets(1 << 30), room.data().num_sequences() * 16);
}

TEST(Evaluation, PartOfTheDataLiesSpreadOverAllOfIt) {
  const TinyRun run;
  run.write("train.txt", made_up_text(7 * 16 + 9));
  const StepRoom room(run, {});
  const TrainState state = room.fresh_state();
  const auto loss_of = [&](const std::vector<int64_t>& sequences) {
    double total = 0.0;
    for (const int64_t s : sequences) {
      TokenBatch batch;
      fill_range(room.data(), s, 1, batch);
      total -=
          state.model->score_targets(to_device(batch, test_device()), state.model->blocks(3), {})
              .log_probability_M.sum()
              .item<double>();
    }
    return total / static_cast<double>(16 * sequences.size());
  };
  for (const int64_t batch_size : {1, 2, 8}) {
    const auto loss = [&](int64_t max_tokens) {
      return evaluate(*state.model, 3, room.data(),
                      {.batch_size = batch_size, .max_tokens = max_tokens, .pass = {}})
          .loss;
    };
    EXPECT_NEAR(loss(3 * 16), loss_of({0, 2, 4}), 1e-6);
    EXPECT_NEAR(loss(5 * 16), loss_of({0, 1, 2, 4, 5}), 1e-6);
    EXPECT_NEAR(loss(7 * 16), loss_of({0, 1, 2, 3, 4, 5, 6}), 1e-6);
  }
}

TEST(Evaluation, IsTheSameEachTimeAndWithoutDropout) {
  const TinyRun run;
  const StepRoom room(run, {"model.dropout=0.5"});
  const TrainState state = room.fresh_state();
  EXPECT_EQ(evaluate(*state.model, 12, room.data(), {}).loss,
            evaluate(*state.model, 12, room.data(), {}).loss);
}

TEST(Evaluation, ASignalEndsIt) {
  const TinyRun run;
  const StepRoom room(run, {});
  const TrainState state = room.fresh_state();
  install_stop_handlers();
  ::raise(SIGTERM);
  EXPECT_THROW(evaluate(*state.model, 12, room.data(), {}), Interrupted);
  install_stop_handlers();
  EXPECT_NO_THROW(evaluate(*state.model, 12, room.data(), {}));
}

TEST(Evaluation, PerplexityAndBitsPerByte) {
  EXPECT_DOUBLE_EQ(perplexity(std::log(17.0)), 17.0);
  EXPECT_TRUE(std::isfinite(perplexity(1e6)));
  // One nat per token, two tokens per three bytes.
  EXPECT_DOUBLE_EQ(bits_per_byte(1.0, 200, 300), 2.0 / 3.0 / std::log(2.0));
}

}  // namespace
}  // namespace apollo
