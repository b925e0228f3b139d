#include "progressive/plan_processes.h"

#include <gtest/gtest.h>

#include "config/objective.h"
#include "progressive/methods.h"

namespace apollo {
namespace {

RunPlan plan_of(int64_t batch_size, int64_t micro_batch_size, bool shard_optimizer = false) {
  RunConfig config;
  config.run.shard_optimizer = shard_optimizer;
  config.model.width = 64;
  config.model.heads = 4;
  config.model.context = 128;
  config.train.duration = {1000, DurationUnit::kSteps};
  config.train.batch_size = batch_size;
  config.train.micro_batch_size = micro_batch_size;
  config.progressive = find_method("apollo").fill(Architecture::kGpt2, 12);
  config.progressive.method = "apollo";
  return plan_run(config, model_shape(config, 257), /*train_sequences=*/1000);
}

TEST(PlanProcesses, OneProcessSendsNothing) {
  const RunPlan plan = plan_of(16, 2);
  const SharedPlan alone = plan_processes(plan, 1);
  ASSERT_EQ(alone.stages.size(), plan.stages.size());
  EXPECT_TRUE(alone.exact);
  EXPECT_EQ(alone.largest_share, 8);
  const StagePlan& last = plan.stages.back();
  // Eight micro-batches are added by three halvings, each with a buffer of its own.
  EXPECT_EQ(alone.stages.back().bytes, last.state_bytes + last.activation_bytes +
                                           3 * 4.0 * static_cast<double>(last.parameters));
  EXPECT_EQ(alone.stages.back().network_bytes, 0.0);
}

TEST(PlanProcesses, EachSendsAllSlicesExceptItsOwnTwice) {
  const RunPlan plan = plan_of(16, 2);
  const SharedPlan four = plan_processes(plan, 4);
  EXPECT_EQ(four.largest_share, 2);
  for (size_t i = 0; i < four.stages.size(); ++i) {
    const auto parameters = static_cast<double>(plan.stages[i].parameters);
    EXPECT_EQ(four.stages[i].layers, plan.stages[i].layers);
    EXPECT_DOUBLE_EQ(four.stages[i].network_bytes, 2 * 4.0 * parameters * 3 / 4);
    // One halving is left, and the exchange adds two buffers.
    EXPECT_EQ(four.stages[i].bytes,
              plan.stages[i].state_bytes + plan.stages[i].activation_bytes + 3 * 4.0 * parameters);
  }
}

TEST(PlanProcesses, SharedMomentsTakeTheirPart) {
  const SharedPlan whole = plan_processes(plan_of(16, 2), 4);
  const RunPlan plan = plan_of(16, 2, /*shard_optimizer=*/true);
  const SharedPlan shared = plan_processes(plan, 4);
  for (size_t i = 0; i < shared.stages.size(); ++i) {
    const auto parameters = static_cast<double>(plan.stages[i].parameters);
    EXPECT_EQ(whole.stages[i].moment_bytes, 8.0 * parameters);
    EXPECT_EQ(shared.stages[i].moment_bytes, 2.0 * parameters);
    // For a moment a rank's part of the summed gradients is kept next to the gradients.
    EXPECT_EQ(shared.stages[i].bytes, whole.stages[i].bytes - 6.0 * parameters + parameters);
    EXPECT_EQ(shared.stages[i].network_bytes, whole.stages[i].network_bytes);
  }
  const SharedPlan alone = plan_processes(plan, 1);
  EXPECT_EQ(alone.stages.back().bytes, plan_processes(plan_of(16, 2), 1).stages.back().bytes);
  EXPECT_NE(shared_table(shared).find("moments thereof"), std::string::npos);
}

TEST(PlanProcesses, SaysWhereTheBitsAreThoseOfOne) {
  EXPECT_TRUE(plan_processes(plan_of(16, 2), 8).exact);
  EXPECT_FALSE(plan_processes(plan_of(16, 2), 3).exact);
  EXPECT_FALSE(plan_processes(plan_of(16, 4), 8).exact) << "four micro-batches among eight";
  EXPECT_NE(shared_table(plan_processes(plan_of(16, 4), 8)).find("4 processes have nothing to do"),
            std::string::npos);
  EXPECT_TRUE(plan_processes(plan_of(16, 0), 8).exact) << "a micro-batch each";
}

}  // namespace
}  // namespace apollo
