// apollo score: the log-probability of every token in every line of a file.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/stop_signal.h"
#include "cli/commands.h"
#include "cli/common_options.h"
#include "cli/number_checks.h"
#include "cli/processes.h"
#include "infer/score.h"

namespace apollo {
namespace {

struct ScoreArguments {
  std::string checkpoint;
  std::string file;
  ScoreOptions options;
  int64_t processes = 1;
  DeviceOptions device;
};

void score(const ScoreArguments& arguments) {
  std::ifstream file;
  if (arguments.file != "-") {
    const WaitingForInput waiting;  // a pipe opens when somebody opens its other end
    file.open(arguments.file, std::ios::binary);
    if (!file || std::filesystem::is_directory(arguments.file)) {
      fail<DataError>("{}: cannot read the file", arguments.file);
    }
  }
  if (was_run_as_ranks(arguments.processes, arguments.file)) return;
  const at::Device device = apply(arguments.device);
  const std::unique_ptr<Workers> workers = join_launch(device);
  const LoadedModel loaded = load_model_folder(arguments.checkpoint, device);
  ScoreOptions options = arguments.options;
  options.workers = workers.get();
  std::ios::sync_with_stdio(false);
  score_lines(loaded, arguments.file == "-" ? std::cin : file, std::cout, options);
  std::cout.flush();
  if (!std::cout) throw Error("stdout: cannot write");
}

}  // namespace

void add_score_command(CLI::App* command) {
  auto arguments = std::make_shared<ScoreArguments>();
  ScoreOptions& options = arguments->options;
  command->description("Log-probability of every token of every line of a file");
  command->add_option("CHECKPOINT", arguments->checkpoint, "checkpoint, run or Hugging Face folder")
      ->required();
  command->add_option("FILE", arguments->file, "text, one sequence a line; '-': stdin")->required();
  command->add_flag("--json", options.json,
                    "print {\"tokens\": [...], \"logprobs\": [...]} a line");
  command->add_option("--depth", options.depth, "blocks of the pass (default: the final depth)")
      ->check(above_zero());
  command
      ->add_option("--batch-size", options.batch_size,
                   "sequences of the context's length per pass (default 16)")
      ->check(above_zero());
  add_processes_option(*command, arguments->processes);
  add_device_options(*command, arguments->device);
  command->footer(
      "Prints for each line the sum of its log-probabilities (nats), a tab, and its number of\n"
      "tokens. A GPT conditions the first token on the end of text (eos_token); without one, that\n"
      "token has no log-probability (null in JSON). It scores lines that are longer than the\n"
      "context in windows that overlap by half. A BERT masks each token in turn and conditions it\n"
      "on all others, or on those around it in a longer line (pseudo-log-likelihood).\n"
      "Example:\n"
      "  apollo score runs/demo sentences.txt --json");
  command->callback([arguments] { score(*arguments); });
}

}  // namespace apollo
