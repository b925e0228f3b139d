#include "cli/evaluate_data.h"

#include <unistd.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "cli/common_text.h"
#include "config/enum_names.h"
#include "config/toml_io.h"
#include "data/batches.h"
#include "data/prepare.h"

namespace apollo {
namespace {

void check_data(const LoadedModel& loaded, const TokenDataset& data, const std::string& path) {
  const std::string& made_by = data.info().tokenizer_hash;
  if (loaded.tokenizer != nullptr && !made_by.empty() && loaded.tokenizer->hash() != made_by) {
    fail<DataError>(
        "{}: made by another tokenizer (expected {}, found {}); hint: prepare it again "
        "with --tokenizer CHECKPOINT",
        path, loaded.tokenizer->hash(), made_by);
  }
  const int64_t vocab_size = loaded.model->spec().shape.vocab_size;
  // Independent of the stated vocabulary: a token beyond the embedding ends the program on a GPU.
  const int64_t bound = data.info().bytes_per_token == 2 ? 1 << 16 : int64_t{1} << 32;
  if (vocab_size >= bound) return;
  if (const int64_t largest = data.max_token(); largest >= vocab_size) {
    fail<DataError>("{}: holds token {}, outside of the model's vocabulary of {}", path, largest,
                    vocab_size);
  }
}

// Returns the run whose own validation data are used; nothing if `data` names others.
std::optional<ResolvedConfig> run_of(const std::string& checkpoint, const std::string& data) {
  if (!data.empty()) return std::nullopt;
  const std::filesystem::path config = std::filesystem::path(checkpoint) / "run.toml";
  if (!std::filesystem::exists(config)) {
    throw UsageError("eval: expected --data DATASET, --task NAME PATH, or the folder of a run");
  }
  return load_run_config(config);
}

// Returns what the batches of the model's objective depend on: the given options, else the run's
// own.
RunConfig objective_config(const EvaluateOptions& options, const LanguageModel& model,
                           const std::optional<ResolvedConfig>& run) {
  RunConfig config;
  if (run) config.data = run->config.data;
  config.model.architecture = model.spec().shape.architecture;
  config.model.context = model.spec().shape.context;
  const bool asks_for_masking = options.masked_fraction || options.mask_whole_words;
  if (model.is_causal() && asks_for_masking) {
    fail<UsageError>(
        "--masked-fraction and --whole-words are for masked models (bert, modernbert), and this "
        "one is causal ({})",
        enum_name(config.model.architecture));
  }
  if (options.masked_fraction) config.data.masked_fraction = *options.masked_fraction;
  config.data.mask_whole_words |= options.mask_whole_words;
  config.data.separate_documents |= options.separate_documents;
  return config;
}

// Opens a dataset as it is. The model's own tokenizer encodes text into a temporary folder, whose
// file stays open. With a run, opens that run's validation data.
TokenDataset open_data(const LoadedModel& loaded, const std::optional<ResolvedConfig>& run,
                       const std::string& data) {
  namespace fs = std::filesystem;
  if (run) {
    RunData found = open_run_data(run->config, run->base_dir);
    if (found.valid == nullptr) {
      fail<DataError>("{}: the run has no validation data (hint: --data TEXT)", run->file.string());
    }
    return std::move(*found.valid);
  }
  const int64_t vocab_size = loaded.model->spec().shape.vocab_size;
  if (is_token_dataset(data)) return TokenDataset::open(data, vocab_size);
  if (fs::path(data).filename() == "tokens.bin") {
    return TokenDataset::open(data, vocab_size);
  }
  const fs::path dir =
      fs::temp_directory_path() / fmt::format("apollo-eval-{}", static_cast<int64_t>(::getpid()));
  prepare_dataset(text_files({data}), require_tokenizer(loaded), dir);
  TokenDataset dataset = TokenDataset::open(dir, vocab_size);
  std::error_code ignored;
  fs::remove_all(dir, ignored);
  return dataset;
}

}  // namespace

DataEvaluation evaluate_data(const LoadedModel& loaded, const std::string& checkpoint,
                             const std::string& path, const EvaluateOptions& options) {
  const LanguageModel& model = *loaded.model;
  DataEvaluation found;
  found.is_causal = model.is_causal();
  found.depth = options.depth > 0 ? options.depth : model.spec().shape.layers;
  pass_blocks(model, found.depth);
  const std::optional<ResolvedConfig> run = run_of(checkpoint, path);
  const RunConfig config = objective_config(options, model, run);
  if (!model.is_causal()) require_tokenizer(loaded);
  const TokenDataset data = open_data(loaded, run, path);
  check_data(loaded, data, path);
  const std::unique_ptr<Batches> batches = make_batches(config, data, loaded.tokenizer.get());
  found.result = evaluate(model, found.depth, *batches,
                          {.batch_size = options.batch_size,
                           .max_tokens = options.max_tokens,
                           .show_progress = options.show_progress,
                           .pass = {},
                           .workers = options.workers});
  const DatasetInfo& info = data.info();
  if (model.is_causal() && info.text_bytes > 0) {
    found.bits_per_byte = bits_per_byte(found.result.loss, info.num_tokens, info.text_bytes);
  }
  return found;
}

Json to_json(const DataEvaluation& evaluation) {
  const EvaluationResult& result = evaluation.result;
  Json json = {{"depth", evaluation.depth}, {"loss", result.loss}};
  if (evaluation.is_causal) {
    json["ppl"] = perplexity(result.loss);
    json["bpb"] = evaluation.bits_per_byte ? Json(*evaluation.bits_per_byte) : Json();
  } else {
    json["accuracy"] = result.accuracy;
  }
  json["tokens"] = result.num_targets;
  json["flops"] = result.flops;
  return json;
}

}  // namespace apollo
