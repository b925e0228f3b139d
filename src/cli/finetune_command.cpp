// apollo finetune: learns a task from tables, over a grid of learning rates, lengths and seeds.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/common_options.h"
#include "finetune/finetune.h"

namespace apollo {
namespace {

struct FinetuneArguments {
  std::string checkpoint;
  std::string task;
  std::vector<std::string> overrides;
  std::string out;
  bool random_weights = false;
  bool json = false;
  bool config_help = false;
  DeviceOptions device;
};

void finetune_task(const FinetuneArguments& arguments) {
  if (arguments.config_help) {
    fmt::print("{}", task_reference());
    return;
  }
  if (arguments.checkpoint.empty() || arguments.task.empty()) {
    throw UsageError("CHECKPOINT and TASK.toml are needed; hint: apollo finetune --help");
  }
  const ResolvedTask task = load_task(arguments.task, arguments.overrides);
  FinetuneOptions options;
  options.checkpoint = arguments.checkpoint;
  options.out = arguments.out.empty()
                    ? std::filesystem::path("runs") / ("finetune-" + task.config.task.name)
                    : std::filesystem::path(arguments.out);
  options.random_weights = arguments.random_weights;
  options.device = apply(arguments.device);
  const FinetuneResults results = finetune(task, options);
  if (arguments.json) {
    fmt::print("{}\n", to_json(results, task.config.train).dump(2));
  } else {
    fmt::print("{}", results_table(results, task.config.train));
  }
  log_info("results: {}", (options.out / "results.json").string());
  log_info("model:   {}", (options.out / "model").string());
}

}  // namespace

void add_finetune_command(CLI::App* command) {
  auto arguments = std::make_shared<FinetuneArguments>();
  command->description(
      "Fine-tune on tables of texts with labels or numbers; the same command again resumes");
  command->add_option(
      "CHECKPOINT", arguments->checkpoint,
      "checkpoint, run or Hugging Face folder: BERT, ModernBERT, GPT-2, Llama or Qwen3");
  command->add_option("TASK.toml", arguments->task, "the task's config");
  command
      ->add_option("--set", arguments->overrides,
                   "override a key, for example task.base_dir=glue or train.lr=[1e-4,3e-4]")
      ->expected(1)
      ->take_all();
  command->add_option("--out", arguments->out, "folder (default: runs/finetune-<task.name>)");
  command->add_flag("--random-weights", arguments->random_weights,
                    "start from random weights of the same shape, for comparison");
  command->add_flag("--json", arguments->json, "print results.json instead of a table");
  command->add_flag("--help-config", arguments->config_help,
                    "print every key of TASK.toml and stop");
  add_device_options(*command, arguments->device);
  command->footer(
      "Trains every combination of learning rate, number of epochs and seed, keeps the best epoch\n"
      "of each by the dev metric, and writes the best model of the best combination (by the mean\n"
      "over seeds) as a Hugging Face folder, with predictions for dev and test. The same folder\n"
      "with another grid adds to its results; the model is the best of all.\n"
      "Example:\n"
      "  apollo finetune runs/bert recipes/finetune/sst2.toml --set task.base_dir=glue/SST-2\n"
      "Ctrl-C keeps the runs that are finished and exits with 130.");
  command->callback([arguments] { finetune_task(*arguments); });
}

}  // namespace apollo
