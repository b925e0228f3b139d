// apollo generate: text from a model.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/common_options.h"
#include "cli/number_checks.h"
#include "infer/generate.h"

namespace apollo {
namespace {

struct GenerateArguments {
  std::string checkpoint;
  std::string prompt;
  GenerateOptions options;
  int64_t num_samples = 1;
  DeviceOptions device;
};

void print_now(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw Error("stdout: cannot write");
  }
}

void generate(const GenerateArguments& arguments) {
  // Everything that can be wrong is checked before the first letter of output.
  check_options(arguments.options);
  const LoadedModel loaded = load_model_folder(arguments.checkpoint, apply(arguments.device));
  encode_prompt(loaded, arguments.prompt);
  pass_blocks(*loaded.model, arguments.options.depth);
  const auto start = std::chrono::steady_clock::now();
  int64_t num_tokens = 0;
  for (int64_t i = 0; i < arguments.num_samples; ++i) {
    if (i > 0) print_now("---\n");
    GenerateOptions options = arguments.options;
    options.seed += static_cast<uint64_t>(i);
    print_now(arguments.prompt);
    num_tokens += generate_text(loaded, arguments.prompt, options, print_now);
    print_now("\n");
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  log_info("{} tokens in {:.2f} s: {:.1f} tokens/s", num_tokens, seconds.count(),
           static_cast<double>(num_tokens) / std::max(seconds.count(), 1e-9));
}

}  // namespace

void add_generate_command(CLI::App* command) {
  auto arguments = std::make_shared<GenerateArguments>();
  GenerateOptions& options = arguments->options;
  command->description("Continue a prompt (causal models)");
  command->add_option("CHECKPOINT", arguments->checkpoint, "checkpoint, run or Hugging Face folder")
      ->required();
  command->add_option("--prompt", arguments->prompt, "text to continue; empty: a new document")
      ->required();
  command->add_option("--max-tokens", options.max_tokens, "tokens to write (default 200)");
  command->add_option("--temperature", options.temperature,
                      "1: as the model says; lower: safer; 0: the most likely token (default 1)");
  command->add_option("--top-k", options.top_k, "draw from the K likeliest (default 0: all)");
  command->add_option("--top-p", options.top_p,
                      "of these, draw from the fewest that are P likely together (default 1: all)");
  command
      ->add_option("--num-samples", arguments->num_samples,
                   "texts; text N has the seed of the first plus N - 1 (default 1)")
      ->check(above_zero());
  command->add_option("--seed", options.seed, "the same seed gives the same text (default 0)");
  command->add_option("--depth", options.depth, "blocks of the pass (default: the final depth)")
      ->check(above_zero());
  add_device_options(*command, arguments->device);
  command->footer(
      "Prints the prompt and what follows it. Ends at the end of text (eos_token) or after\n"
      "--max-tokens. Several texts are separated by lines of ---.\n"
      "Example:\n"
      "  apollo generate runs/demo --prompt 'The kernel' --temperature 0.8 --top-k 50 --seed 1");
  command->callback([arguments] { generate(*arguments); });
}

}  // namespace apollo
