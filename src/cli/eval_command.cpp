// apollo eval: the loss of a checkpoint on a dataset, at any depth.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json_lines.h"
#include "cli/commands.h"
#include "cli/common_options.h"
#include "infer/model_folder.h"
#include "train/evaluation.h"

namespace apollo {
namespace {

struct EvalArguments {
  std::string checkpoint;
  std::string data;
  int64_t depth = 0;
  int64_t batch_size = 16;
  int64_t max_tokens = 0;
  bool json = false;
  DeviceOptions device;
};

void check_tokenizer(const LoadedModel& loaded, const TokenDataset& data,
                     const std::string& path) {
  const std::string& made_by = data.info().tokenizer_hash;
  if (loaded.tokenizer == nullptr || made_by.empty()) return;
  if (loaded.tokenizer->hash() != made_by) {
    fail<DataError>("{}: made by another tokenizer (expected {}, found {}); hint: prepare it again "
                    "with --tokenizer CHECKPOINT",
                    path, loaded.tokenizer->hash(), made_by);
  }
}

void eval(const EvalArguments& arguments) {
  const at::Device device = apply(arguments.device);
  const LoadedModel loaded = load_model_folder(arguments.checkpoint, device);
  const LanguageModel& model = *loaded.model;
  const int64_t depth = arguments.depth > 0 ? arguments.depth : model.spec().shape.layers;
  pass_blocks(model, depth);
  const TokenDataset data = TokenDataset::open(arguments.data);
  check_tokenizer(loaded, data, arguments.data);
  const CausalBatches batches(data, model.spec().shape.context, /*seed=*/0);
  const EvaluationResult result = evaluate(model, depth, batches,
                                           {.batch_size = arguments.batch_size,
                                            .max_tokens = arguments.max_tokens,
                                            .show_progress = true,
                                            .pass = {}});
  std::optional<double> bpb;
  if (data.info().text_bytes > 0) {
    bpb = bits_per_byte(result.loss, data.info().num_tokens, data.info().text_bytes);
  }
  if (arguments.json) {
    const Json json = {{"depth", depth},
                       {"loss", result.loss},
                       {"ppl", perplexity(result.loss)},
                       {"bpb", bpb ? Json(*bpb) : Json()},
                       {"tokens", result.num_targets},
                       {"flops", result.flops}};
    fmt::print("{}\n", json.dump());
    return;
  }
  fmt::print("depth       {}\ntokens      {}\nloss        {:.6f} nats a token\nperplexity  {:.4f}\n",
             depth, result.num_targets, result.loss, perplexity(result.loss));
  if (bpb) fmt::print("bits/byte   {:.4f}\n", *bpb);
}

}  // namespace

void add_eval_command(CLI::App& app) {
  auto arguments = std::make_shared<EvalArguments>();
  CLI::App* command =
      app.add_subcommand("eval", "Loss, perplexity and bits per byte of a checkpoint, at any depth");
  command->add_option("CHECKPOINT", arguments->checkpoint, "checkpoint, run or Hugging Face folder")
      ->required();
  command->add_option("--data", arguments->data, "token dataset (apollo prepare) or .bin")
      ->required();
  command->add_option("--depth", arguments->depth, "blocks of the pass (default: the final depth)")
      ->check(CLI::PositiveNumber);
  command->add_option("--batch-size", arguments->batch_size, "sequences per pass (default 16)")
      ->check(CLI::PositiveNumber);
  command->add_option("--max-tokens", arguments->max_tokens, "stop after so many (default: all)")
      ->check(CLI::PositiveNumber);
  command->add_flag("--json", arguments->json, "print one JSON object");
  add_device_options(*command, arguments->device);
  command->footer("Example:\n  apollo eval runs/demo/checkpoints/latest --data valid --depth 12");
  command->callback([arguments] { eval(*arguments); });
}

}  // namespace apollo
