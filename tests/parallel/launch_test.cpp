#include "parallel/launch.h"

#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "support/thrown_text.h"

namespace apollo {
namespace {

using Variables = std::map<std::string, std::string>;

std::optional<Launch> launch_of(const Variables& variables) {
  return find_launch([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

TEST(Launch, AProcessOfItsOwn) {
  EXPECT_FALSE(launch_of({}));
  EXPECT_FALSE(launch_of({{"RANK", "0"}, {"WORLD_SIZE", "1"}}));
  EXPECT_FALSE(launch_of({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}})) << "a batch script";
}

TEST(Launch, ByTorchrun) {
  const Launch launch = launch_of({{"RANK", "5"},
                                   {"WORLD_SIZE", "8"},
                                   {"LOCAL_RANK", "1"},
                                   {"LOCAL_WORLD_SIZE", "4"},
                                   {"MASTER_ADDR", "node-0"},
                                   {"MASTER_PORT", "1234"},
                                   {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                                   {"TORCHELASTIC_RUN_ID", "job"},
                                   {"TORCHELASTIC_RESTART_COUNT", "2"}})
                            .value();
  EXPECT_EQ(launch.launcher, Launcher::kTorchrun);
  EXPECT_EQ(launch.rank, 5);
  EXPECT_EQ(launch.size, 8);
  EXPECT_EQ(launch.local_rank, 1);
  EXPECT_EQ(launch.local_size, 4);
  EXPECT_EQ(launch.address, "node-0");
  EXPECT_EQ(launch.port, 1234);
  EXPECT_TRUE(launch.launcher_serves);
  EXPECT_EQ(launch.job, "job.2") << "a restart must not meet what is left of the start before";
}

TEST(Launch, ByMpirunAndSrunWithoutAnAddress) {
  const Launch mpi = launch_of({{"OMPI_COMM_WORLD_RANK", "1"},
                                {"OMPI_COMM_WORLD_SIZE", "2"},
                                {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                                {"PMIX_NAMESPACE", "123@1"}})
                         .value();
  EXPECT_EQ(mpi.launcher, Launcher::kMpirun);
  EXPECT_EQ(mpi.rank, 1);
  EXPECT_EQ(mpi.local_size, 2);
  EXPECT_EQ(mpi.address, "");
  EXPECT_EQ(mpi.job, "123@1");
  const Launch slurm = launch_of({{"SLURM_PROCID", "3"},
                                  {"SLURM_NTASKS", "4"},
                                  {"SLURM_LOCALID", "1"},
                                  {"SLURM_NTASKS_PER_NODE", "2"},
                                  {"SLURM_JOB_ID", "77"},
                                  {"SLURM_STEP_ID", "0"}})
                           .value();
  EXPECT_EQ(slurm.launcher, Launcher::kSrun);
  EXPECT_EQ(slurm.rank, 3);
  EXPECT_EQ(slurm.local_size, 2);
  EXPECT_EQ(slurm.job, "77.0.0");
  const auto tasks_of = [](const char* list) {
    return launch_of({{"SLURM_PROCID", "3"},
                      {"SLURM_NTASKS", "11"},
                      {"SLURM_STEP_TASKS_PER_NODE", list},
                      {"SLURM_JOB_ID", "77"},
                      {"SLURM_STEP_ID", "0"}})
        .value()
        .local_size;
  };
  EXPECT_EQ(tasks_of("4(x2),3"), 4);
  EXPECT_EQ(tasks_of("11"), 11);
  EXPECT_EQ(tasks_of(""), 1);
}

TEST(Launch, ByApolloItself) {
  const Launch launch =
      launch_of({{"APOLLO_RANK", "1"}, {"APOLLO_RANKS", "2"}, {"APOLLO_JOB", "9-8"}}).value();
  EXPECT_EQ(launch.launcher, Launcher::kApollo);
  EXPECT_EQ(launch.rank, 1);
  EXPECT_EQ(launch.local_size, 2);
  EXPECT_EQ(launch.job, "9-8");
}

TEST(Launch, WhatCannotBeIsNamed) {
  EXPECT_EQ(thrown_text<UsageError>([] {
              launch_of({{"RANK", "2"}, {"WORLD_SIZE", "2"}});
            }),
            "environment variables RANK and WORLD_SIZE: rank 2 of 2 cannot be");
  EXPECT_EQ(thrown_text<UsageError>([] {
              launch_of({{"RANK", "one"}, {"WORLD_SIZE", "2"}});
            }),
            "environment variable RANK: expected a whole number, found 'one'");
}

}  // namespace
}  // namespace apollo
