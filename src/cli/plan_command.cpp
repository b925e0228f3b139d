// apollo plan: what a run will do and cost. With --tokens nothing but the config is read, so that
// recipes for large data can be planned without the data.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/commands.h"
#include "config/objective.h"
#include "data/batches.h"
#include "data/prepare.h"
#include "progressive/plan.h"
#include "progressive/plan_processes.h"
#include "progressive/resolve.h"
#include "progressive/source_model.h"

namespace apollo {

namespace {

struct PlanOptions {
  std::string config;
  std::vector<std::string> overrides;
  bool json = false;
  double flops_per_second = 0.0;
  double tokens = 0.0;
  int64_t vocab_size = 0;
  int64_t processes = 1;
};

struct DataSize {
  int64_t tokens = 0;
  int64_t vocab_size = 0;
  std::string tokenizer_hash = {};  // empty: not known
};

DataSize size_of_data(const PlanOptions& options, const ResolvedConfig& resolved) {
  const int64_t vocab_size =
      options.vocab_size > 0 ? options.vocab_size : resolved.config.model.vocab_size;
  if (options.tokens > 0) {
    if (vocab_size < 1) fail<UsageError>("--tokens needs --vocab-size, or model.vocab_size");
    return {static_cast<int64_t>(options.tokens), vocab_size};
  }
  try {
    const RunData data = open_run_data(resolved.config, resolved.base_dir);
    return {data.train->size(), options.vocab_size > 0 ? options.vocab_size : data.vocab_size,
            data.tokenizer != nullptr ? data.tokenizer->hash() : ""};
  } catch (const DataError& error) {
    fail<DataError>("{}\n  hint: --tokens N --vocab-size V plan a run without its data",
                    error.what());
  }
}

std::optional<SourceModel> find_source(const ResolvedConfig& resolved, const ModelShape& shape,
                                       const std::string& tokenizer_hash) {
  if (resolved.config.progressive.source.empty()) return std::nullopt;
  SourceModel source = read_source_model(source_path(resolved.config, resolved.base_dir));
  check_source(source, resolved, shape, tokenizer_hash);
  return source;
}

void run_plan(const PlanOptions& options) {
  const ResolvedConfig resolved = resolve_run_config(options.config, options.overrides);
  const DataSize size = size_of_data(options, resolved);
  const int64_t sequences = num_sequences(resolved.config, size.tokens);
  if (sequences < 1) {
    fail<DataError>("{} tokens are less than one sequence of a context of {}", size.tokens,
                    resolved.config.model.context);
  }
  const ModelShape shape = model_shape(resolved.config, size.vocab_size);
  const RunPlan plan = plan_run(resolved.config, shape, sequences, options.flops_per_second,
                                find_source(resolved, shape, size.tokenizer_hash));
  const SharedPlan shared = plan_processes(plan, options.processes);
  if (options.json) {
    Json json = plan_json(plan);
    json["shared"] = shared_json(shared);
    fmt::print("{}\n", json.dump(2));
  } else {
    fmt::print("{}{}", plan_table(plan), options.processes > 1 ? shared_table(shared) : "");
  }
}

}  // namespace

void add_plan_command(CLI::App* command) {
  auto options = std::make_shared<PlanOptions>();
  command->description(
      "Show stages, depths, parameters, memory and FLOPs of a run without training");
  command->add_option("RUN.toml", options->config, "the run's config")->required();
  command->add_option("--set", options->overrides, "KEY=VALUE: override a key; may be repeated")
      ->allow_extra_args(false);
  command->add_flag("--json", options->json, "print one JSON object");
  command
      ->add_option("--flops-per-second", options->flops_per_second,
                   "rate for the predicted time, for example 2e11")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--tokens", options->tokens,
                   "size of the training data, for example 9e9: plan without the data")
      ->check(CLI::PositiveNumber);
  command->add_option("--vocab-size", options->vocab_size, "size of the vocabulary, with --tokens")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--processes", options->processes,
                   "also show what each of so many processes keeps in memory and sends")
      ->check(CLI::Range(1, 1024));
  command->footer(
      "Example:\n"
      "  apollo plan recipes/gpt2-base-apollo.toml --tokens 9e9 --vocab-size 50257 "
      "--flops-per-second 1e14");
  command->callback([options] { run_plan(*options); });
}

}  // namespace apollo
