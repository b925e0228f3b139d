// apollo plan: what a run will do and cost. With --tokens only the config is read, so that recipes
// for large data can be planned without the data.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/number_checks.h"
#include "cli/plan_file.h"
#include "progressive/memory.h"
#include "progressive/plan_processes.h"
#include "progressive/resolve.h"

namespace apollo {

namespace {

struct PlanOptions {
  std::string config;
  std::vector<std::string> overrides;
  bool json = false;
  double flops_per_second = 0.0;
  bool measure = false;
  double tokens = 0.0;
  int64_t vocab_size = 0;
  int64_t processes = 1;
};

using MeasureRate = LastRate (*)(const ResolvedConfig& resolved);

PlanRate find_rate(const PlanOptions& options, const ResolvedConfig& resolved,
                   MeasureRate measure) {
  if (!options.measure) return rate_or_last(options.flops_per_second, resolved.config);
  if (options.tokens > 0.0) throw UsageError("--measure needs the data, which --tokens leaves out");
  return describe_rate(measure(resolved), "as measured now");
}

void run_plan(const PlanOptions& options, MeasureRate measure) {
  const ResolvedConfig resolved = resolve_run_config(options.config, options.overrides);
  const DataSize size = {.tokens = static_cast<int64_t>(options.tokens),
                         .vocab_size = options.vocab_size};
  const RunPlan plan = plan_file(resolved, size, find_rate(options, resolved, measure));
  const SharedPlan shared = plan_processes(plan, options.processes);
  const double needed = needed_bytes(plan.config, plan.shape);
  if (const double free = available_memory_bytes(); free > 0.0 && needed > free) {
    log_warning("this run takes at least {} of memory, and this machine has {} free",
                format_bytes(needed), format_bytes(free));
  }
  if (options.json) {
    Json json = plan_json(plan);
    json["shared"] = shared_json(shared);
    fmt::print("{}\n", json.dump(2));
  } else {
    fmt::print("{}{}", plan_table(plan), options.processes > 1 ? shared_table(shared) : "");
  }
}

}  // namespace

void add_plan_command(CLI::App* command, MeasureRate measure) {
  auto options = std::make_shared<PlanOptions>();
  command->description(
      "Show stages, depths, parameters, memory and FLOPs of a run without training");
  command->add_option("RUN.toml", options->config, "the run's config")->required();
  command->add_option("--set", options->overrides, "KEY=VALUE: override a key; may be repeated")
      ->allow_extra_args(false);
  command->add_flag("--json", options->json, "print one JSON object");
  CLI::Option* given =
      command
          ->add_option(
              "--flops-per-second", options->flops_per_second,
              "rate for the predicted time, for example 2e11 (default: the one that this machine "
              "trained with last)")
          ->check(above_zero());
  command
      ->add_flag("--measure", options->measure,
                 "measure that rate by about a second of real steps of the first stage")
      ->excludes(given);
  command
      ->add_option("--tokens", options->tokens,
                   "size of the training data, for example 9e9 or 10M: plan without the data")
      ->transform(counted());
  command->add_option("--vocab-size", options->vocab_size, "size of the vocabulary, with --tokens")
      ->check(above_zero());
  command
      ->add_option("--processes", options->processes,
                   "also show what each of so many processes keeps in memory and sends")
      ->check(CLI::Range(1, 1024));
  command->footer(
      "Example:\n"
      "  apollo plan my.toml --measure\n"
      "  apollo plan recipes/gpt2-base-apollo.toml --tokens 9e9 --vocab-size 50257 "
      "--flops-per-second 1e14");
  command->callback([options, measure] { run_plan(*options, measure); });
}

}  // namespace apollo
