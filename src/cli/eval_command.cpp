// apollo eval: the loss of a checkpoint on a dataset, or its accuracy on a zero-shot task, at any
// depth.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/spelling.h"
#include "cli/commands.h"
#include "cli/common_options.h"
#include "cli/evaluate_data.h"
#include "cli/number_checks.h"
#include "cli/processes.h"
#include "infer/model_folder.h"
#include "infer/zero_shot.h"

namespace apollo {
namespace {

struct EvalArguments {
  std::string checkpoint;
  std::string data;
  std::vector<std::string> task;  // its name and its data
  int64_t depth = 0;
  int64_t batch_size = 16;
  int64_t max_items = 0;
  EvaluateOptions options;  // except depth and batch size, which tasks have too
  bool json = false;
  int64_t processes = 1;
  DeviceOptions device;
};

void print_text(const DataEvaluation& evaluation) {
  const EvaluationResult& result = evaluation.result;
  if (!evaluation.is_causal) {
    fmt::print(
        "depth            {}\nmasked tokens    {}\nloss             {:.6f} nats a masked token\n"
        "masked accuracy  {:.2f} %\n",
        evaluation.depth, result.num_targets, result.loss, 100.0 * result.accuracy);
    return;
  }
  fmt::print(
      "depth       {}\ntokens      {}\nloss        {:.6f} nats a token\nperplexity  {:.4f}\n",
      evaluation.depth, result.num_targets, result.loss, perplexity(result.loss));
  if (evaluation.bits_per_byte) fmt::print("bits/byte   {:.4f}\n", *evaluation.bits_per_byte);
}

void eval_data(const EvalArguments& arguments, const LoadedModel& loaded, Workers& workers) {
  EvaluateOptions options = arguments.options;
  options.depth = arguments.depth;
  options.batch_size = arguments.batch_size;
  options.show_progress = workers.leads();
  options.workers = &workers;
  const DataEvaluation evaluation =
      evaluate_data(loaded, arguments.checkpoint, arguments.data, options);
  if (!workers.leads()) return;
  if (arguments.json) {
    fmt::print("{}\n", to_json(evaluation).dump());
  } else {
    print_text(evaluation);
  }
}

template <class Result>
void print_task(const Result& result, bool json) {
  fmt::print("{}", json ? to_json(result).dump() + "\n" : to_text(result));
}

void eval_task(const EvalArguments& arguments, const LoadedModel& loaded, Workers& workers) {
  const std::string& data = arguments.task[1];
  const ZeroShotOptions options = {.depth = arguments.depth,
                                   .batch_size = arguments.batch_size,
                                   .max_items = arguments.max_items,
                                   .workers = &workers};
  const auto print = [&](const auto& result) {
    if (workers.leads()) print_task(result, arguments.json);
  };
  if (arguments.task[0] == "blimp") {
    print(evaluate_blimp(loaded, data, options));
  } else {
    print(evaluate_lambada(loaded, data, options));
  }
}

void check_arguments(const EvalArguments& arguments) {
  if (!arguments.data.empty() && !arguments.task.empty()) {
    throw UsageError("eval: --data and --task exclude each other");
  }
  if (arguments.task.empty()) return;
  if (arguments.options.max_tokens > 0 || arguments.options.masked_fraction ||
      arguments.options.mask_whole_words || arguments.options.separate_documents) {
    throw UsageError(
        "eval: --max-tokens, --masked-fraction, --whole-words and --separate-documents are of "
        "data, not of --task");
  }
  const std::vector<std::string> tasks = {"blimp", "lambada"};
  const std::string& name = arguments.task[0];
  if (name == tasks[0] || name == tasks[1]) return;
  fail<UsageError>("eval: unknown task '{}'; {}", name,
                   did_you_mean(name, tasks, "expected 'blimp' or 'lambada'"));
}

void eval(const EvalArguments& arguments) {
  check_arguments(arguments);
  if (was_run_as_ranks(arguments.processes, arguments.data)) return;
  const at::Device device = apply(arguments.device);
  const std::unique_ptr<Workers> workers = join_launch(device);
  const LoadedModel loaded = load_model_folder(arguments.checkpoint, device);
  if (arguments.task.empty()) {
    eval_data(arguments, loaded, *workers);
  } else {
    eval_task(arguments, loaded, *workers);
  }
}

void add_data_options(CLI::App& command, EvalArguments& arguments) {
  command.add_option("--data", arguments.data,
                     "text, '-' for stdin, a token dataset or .bin (default: the "
                     "validation data of the run)");
  command
      .add_option("--max-tokens", arguments.options.max_tokens, "stop after so many (default: all)")
      ->check(above_zero());
  command
      .add_option(
          "--masked-fraction", arguments.options.masked_fraction,
          "bert, modernbert: share of the tokens to predict (default: the run's, else 0.15)")
      ->check(CLI::Range(0.001, 0.999));
  command.add_flag("--whole-words", arguments.options.mask_whole_words,
                   "bert, modernbert: mask whole words");
  command.add_flag("--separate-documents", arguments.options.separate_documents,
                   "no attention between documents of one sequence");
}

}  // namespace

void add_eval_command(CLI::App* command) {
  auto arguments = std::make_shared<EvalArguments>();
  command->description("Loss of a checkpoint on a dataset, or its accuracy on BLiMP or LAMBADA");
  command->add_option("CHECKPOINT", arguments->checkpoint, "checkpoint, run or Hugging Face folder")
      ->required();
  add_data_options(*command, *arguments);
  CLI::Option* task = command
                          ->add_option("--task", arguments->task,
                                       "blimp FOLDER or lambada FILE: .jsonl, or .gz, .xz, .zst")
                          ->expected(2)
                          ->type_name("NAME PATH");
  command
      ->add_option("--max-pairs,--max-items", arguments->max_items,
                   "with --task: only the first N of each file (default: all)")
      ->check(above_zero())
      ->needs(task);
  command->add_option("--depth", arguments->depth, "blocks of the pass (default: the final depth)")
      ->check(above_zero());
  command->add_option("--batch-size", arguments->batch_size, "sequences per pass (default 16)")
      ->check(above_zero());
  command->add_flag("--json", arguments->json, "print one JSON object");
  add_processes_option(*command, arguments->processes);
  add_device_options(*command, arguments->device);
  command->footer(
      "--data prints loss, perplexity and bits per byte; for a BERT, loss and masked accuracy.\n"
      "--task blimp counts the pairs whose good sentence has the greater log-probability (BERT:\n"
      "each token is masked in turn); chance is 50 %. --task lambada counts the last words whose\n"
      "tokens are all the likeliest (BERT: all of them are masked at once).\n"
      "Examples:\n"
      "  apollo eval runs/demo\n"
      "  apollo eval runs/demo/checkpoints/latest --data valid.txt --depth 12\n"
      "  apollo eval runs/demo --task blimp blimp/data");
  command->callback([arguments] { eval(*arguments); });
}

}  // namespace apollo
