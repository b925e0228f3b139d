#include "progressive/plan_processes.h"

#include <fmt/format.h>

#include <bit>

#include "base/units.h"
#include "progressive/memory.h"

namespace apollo {
namespace {

// An all-to-all hands each of N processes a slice of every gradient, and an all-gather hands the
// sums back. Both times each process sends all slices except its own.
double exchanged_bytes(double bytes, int64_t processes) {
  const auto n = static_cast<double>(processes);
  return 2.0 * bytes * (n - 1.0) / n;
}

}  // namespace

SharedPlan plan_processes(const RunPlan& plan, int64_t processes) {
  const RunConfig::Train& train = plan.config.train;
  const bool shards = plan.config.run.shard_optimizer;
  SharedPlan shared;
  shared.processes = processes;
  shared.micro_batches =
      train.micro_batch_size > 0 ? train.batch_size / train.micro_batch_size : processes;
  shared.largest_share = (shared.micro_batches + processes - 1) / processes;
  shared.exact = std::has_single_bit(static_cast<uint64_t>(processes)) &&
                 shared.micro_batches % processes == 0;
  for (const StagePlan& stage : plan.stages) {
    const double gradients = 4.0 * static_cast<double>(stage.parameters);
    const double all_moments = moment_bytes(train.optimizer, plan.shape, stage.layers);
    const double moments =
        shards ? shared_moment_bytes(train.optimizer, plan.shape, stage.layers, processes)
               : all_moments;
    double buffers = processes > 1 ? exchange_bytes(plan.shape, stage.layers) : 0.0;
    if (shards && processes > 1) buffers += gradients / static_cast<double>(processes);
    const double bytes = stage.state_bytes - all_moments + moments + stage.activation_bytes +
                         buffers + summation_bytes(plan.shape, stage.layers, shared.largest_share);
    shared.stages.push_back({.layers = stage.layers,
                             .bytes = bytes,
                             .moment_bytes = moments,
                             .network_bytes = exchanged_bytes(gradients, processes)});
  }
  return shared;
}

std::string shared_table(const SharedPlan& shared) {
  std::string text = fmt::format(
      "\n{} processes, {} micro-batches in a step, up to {} of them in one process: {}\n",
      shared.processes, shared.micro_batches, shared.largest_share,
      shared.exact ? "the same bits as one process"
                   : "right to rounding (the same bits as one process take a power of two that "
                     "divides the micro-batches)");
  if (shared.micro_batches < shared.processes) {
    text += fmt::format("{} processes have nothing to do; hint: a smaller train.micro_batch_size\n",
                        shared.processes - shared.micro_batches);
  }
  constexpr const char* kRow = "{:>5}  {:>6}  {:>19}  {:>15}  {:>22}\n";
  text += fmt::format(fmt::runtime(kRow), "stage", "layers", "memory of a process",
                      "moments thereof", "sent in a step by each");
  for (size_t i = 0; i < shared.stages.size(); ++i) {
    const SharedStage& stage = shared.stages[i];
    text += fmt::format(fmt::runtime(kRow), i + 1, stage.layers, format_bytes(stage.bytes),
                        format_bytes(stage.moment_bytes), format_bytes(stage.network_bytes));
  }
  return text;
}

Json shared_json(const SharedPlan& shared) {
  Json stages = Json::array();
  for (const SharedStage& stage : shared.stages) {
    stages.push_back({{"layers", stage.layers},
                      {"memory_bytes", stage.bytes},
                      {"moment_bytes", stage.moment_bytes},
                      {"network_bytes", stage.network_bytes}});
  }
  return {{"processes", shared.processes},
          {"micro_batches", shared.micro_batches},
          {"largest_share", shared.largest_share},
          {"exact", shared.exact},
          {"stages", stages}};
}

}  // namespace apollo
