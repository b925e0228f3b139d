// apollo eval: the loss of a checkpoint on a dataset, or its accuracy on a zero-shot task, at any
// depth.
#include <fmt/format.h>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/json_lines.h"
#include "base/spelling.h"
#include "cli/commands.h"
#include "cli/common_options.h"
#include "cli/common_text.h"
#include "config/toml_io.h"
#include "data/batches.h"
#include "data/prepare.h"
#include "infer/model_folder.h"
#include "infer/zero_shot.h"
#include "train/evaluation.h"

namespace apollo {
namespace {

struct EvalArguments {
  std::string checkpoint;
  std::string data;
  std::vector<std::string> task;  // its name and its data
  int64_t depth = 0;
  int64_t batch_size = 16;
  int64_t max_tokens = 0;
  int64_t max_items = 0;
  std::optional<double> masked_fraction;
  bool mask_whole_words = false;
  bool separate_documents = false;
  bool json = false;
  DeviceOptions device;
};

void check_data(const LoadedModel& loaded, const TokenDataset& data, const std::string& path) {
  const std::string& made_by = data.info().tokenizer_hash;
  if (loaded.tokenizer != nullptr && !made_by.empty() && loaded.tokenizer->hash() != made_by) {
    fail<DataError>(
        "{}: made by another tokenizer (expected {}, found {}); hint: prepare it again "
        "with --tokenizer CHECKPOINT",
        path, loaded.tokenizer->hash(), made_by);
  }
  const int64_t vocab_size = loaded.model->spec().shape.vocab_size;
  // Whatever vocabulary it names: a token beyond the embedding ends the program on a GPU.
  const int64_t bound = data.info().bytes_per_token == 2 ? 1 << 16 : int64_t{1} << 32;
  if (vocab_size >= bound) return;
  if (const int64_t largest = data.max_token(); largest >= vocab_size) {
    fail<DataError>("{}: holds token {}, outside of the model's vocabulary of {}", path, largest,
                    vocab_size);
  }
}

// What the batches of the model's objective depend on.
RunConfig objective_config(const EvalArguments& arguments, const LanguageModel& model) {
  RunConfig config;
  config.model.architecture = model.spec().shape.architecture;
  config.model.context = model.spec().shape.context;
  const bool asks_for_masking =
      arguments.masked_fraction || arguments.mask_whole_words || arguments.separate_documents;
  if (model.is_causal() && asks_for_masking) {
    fail<UsageError>(
        "--masked-fraction, --whole-words and --separate-documents are for masked models (bert), "
        "and this one is causal ({})",
        enum_name(config.model.architecture));
  }
  if (arguments.masked_fraction) config.data.masked_fraction = *arguments.masked_fraction;
  config.data.mask_whole_words = arguments.mask_whole_words;
  config.data.separate_documents = arguments.separate_documents;
  return config;
}

void print_causal(const EvaluationResult& result, int64_t depth, const DatasetInfo& info,
                  bool json) {
  std::optional<double> bpb;
  if (info.text_bytes > 0) bpb = bits_per_byte(result.loss, info.num_tokens, info.text_bytes);
  if (json) {
    const Json object = {{"depth", depth},
                         {"loss", result.loss},
                         {"ppl", perplexity(result.loss)},
                         {"bpb", bpb ? Json(*bpb) : Json()},
                         {"tokens", result.num_targets},
                         {"flops", result.flops}};
    fmt::print("{}\n", object.dump());
    return;
  }
  fmt::print(
      "depth       {}\ntokens      {}\nloss        {:.6f} nats a token\nperplexity  {:.4f}\n",
      depth, result.num_targets, result.loss, perplexity(result.loss));
  if (bpb) fmt::print("bits/byte   {:.4f}\n", *bpb);
}

void print_masked(const EvaluationResult& result, int64_t depth, bool json) {
  if (json) {
    const Json object = {{"depth", depth},
                         {"loss", result.loss},
                         {"accuracy", result.accuracy},
                         {"tokens", result.num_targets},
                         {"flops", result.flops}};
    fmt::print("{}\n", object.dump());
    return;
  }
  fmt::print(
      "depth            {}\nmasked tokens    {}\nloss             {:.6f} nats a masked token\n"
      "masked accuracy  {:.2f} %\n",
      depth, result.num_targets, result.loss, 100.0 * result.accuracy);
}

// A dataset as it is. Text is encoded by the model's own tokenizer into a folder that goes away;
// its file stays open. Without --data it is the validation data of the run in the folder.
TokenDataset open_data(const EvalArguments& arguments, const LoadedModel& loaded) {
  namespace fs = std::filesystem;
  if (arguments.data.empty()) {
    const fs::path config = fs::path(arguments.checkpoint) / "run.toml";
    if (!fs::exists(config)) {
      throw UsageError("eval: expected --data DATASET, --task NAME PATH, or the folder of a run");
    }
    const ResolvedConfig resolved = load_run_config(config);
    RunData data = open_run_data(resolved.config, resolved.base_dir);
    if (data.valid == nullptr) {
      fail<DataError>("{}: the run has no validation data (hint: --data TEXT)", config.string());
    }
    return std::move(*data.valid);
  }
  const int64_t vocab_size = loaded.model->spec().shape.vocab_size;
  if (is_token_dataset(arguments.data)) return TokenDataset::open(arguments.data, vocab_size);
  if (fs::path(arguments.data).filename() == "tokens.bin") {
    return TokenDataset::open(arguments.data, vocab_size);
  }
  const fs::path dir =
      fs::temp_directory_path() / fmt::format("apollo-eval-{}", static_cast<int64_t>(::getpid()));
  prepare_dataset(text_files({arguments.data}), require_tokenizer(loaded), dir);
  TokenDataset dataset = TokenDataset::open(dir, vocab_size);
  std::error_code ignored;
  fs::remove_all(dir, ignored);
  return dataset;
}

void eval_data(const EvalArguments& arguments, const LoadedModel& loaded) {
  const LanguageModel& model = *loaded.model;
  const int64_t depth = arguments.depth > 0 ? arguments.depth : model.spec().shape.layers;
  pass_blocks(model, depth);
  const RunConfig config = objective_config(arguments, model);
  if (!model.is_causal()) require_tokenizer(loaded);
  const TokenDataset data = open_data(arguments, loaded);
  check_data(loaded, data, arguments.data);
  const std::unique_ptr<Batches> batches = make_batches(config, data, loaded.tokenizer.get());
  const EvaluationResult result = evaluate(model, depth, *batches,
                                           {.batch_size = arguments.batch_size,
                                            .max_tokens = arguments.max_tokens,
                                            .show_progress = true,
                                            .pass = {}});
  if (model.is_causal()) {
    print_causal(result, depth, data.info(), arguments.json);
  } else {
    print_masked(result, depth, arguments.json);
  }
}

template <class Result>
void print_task(const Result& result, bool json) {
  fmt::print("{}", json ? to_json(result).dump() + "\n" : to_text(result));
}

void eval_task(const EvalArguments& arguments, const LoadedModel& loaded) {
  const std::string& data = arguments.task[1];
  const ZeroShotOptions options = {.depth = arguments.depth,
                                   .batch_size = arguments.batch_size,
                                   .max_items = arguments.max_items};
  if (arguments.task[0] == "blimp") {
    print_task(evaluate_blimp(loaded, data, options), arguments.json);
  } else {
    print_task(evaluate_lambada(loaded, data, options), arguments.json);
  }
}

void check_arguments(const EvalArguments& arguments) {
  if (!arguments.data.empty() && !arguments.task.empty()) {
    throw UsageError("eval: --data and --task exclude each other");
  }
  if (arguments.task.empty()) return;
  if (arguments.max_tokens > 0 || arguments.masked_fraction || arguments.mask_whole_words ||
      arguments.separate_documents) {
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
  const LoadedModel loaded = load_model_folder(arguments.checkpoint, apply(arguments.device));
  if (arguments.task.empty()) {
    eval_data(arguments, loaded);
  } else {
    eval_task(arguments, loaded);
  }
}

void add_data_options(CLI::App& command, EvalArguments& arguments) {
  command.add_option("--data", arguments.data,
                     "text, '-' for stdin, a token dataset or .bin (default: the "
                     "validation data of the run)");
  command.add_option("--max-tokens", arguments.max_tokens, "stop after so many (default: all)")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--masked-fraction", arguments.masked_fraction,
                  "bert: share of the tokens to predict (default 0.15)")
      ->check(CLI::Range(0.001, 0.999));
  command.add_flag("--whole-words", arguments.mask_whole_words, "bert: mask whole words");
  command.add_flag("--separate-documents", arguments.separate_documents,
                   "bert: no attention between documents of one sequence");
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
      ->check(CLI::PositiveNumber)
      ->needs(task);
  command->add_option("--depth", arguments->depth, "blocks of the pass (default: the final depth)")
      ->check(CLI::PositiveNumber);
  command->add_option("--batch-size", arguments->batch_size, "sequences per pass (default 16)")
      ->check(CLI::PositiveNumber);
  command->add_flag("--json", arguments->json, "print one JSON object");
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
