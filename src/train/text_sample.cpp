#include "train/text_sample.h"

#include "base/error.h"
#include "base/log.h"
#include "infer/generate.h"

namespace apollo {
namespace {

// A little surer than the model is, as people let models write.
constexpr double kTemperature = 0.8;
constexpr int64_t kTopK = 50;

}  // namespace

TextSample::TextSample(const Run& run) {
  const std::string& prompt = run.config().eval.sample;
  if (prompt.empty()) return;
  if (run.data.tokenizer == nullptr) {
    throw ConfigError({{"eval.sample", "the data have no tokenizer to read a prompt with",
                        "data.tokenizer names the one that made them"}});
  }
  try {
    prompt_ = encode_prompt(*run.data.tokenizer, prompt);
  } catch (const DataError& error) {
    throw ConfigError({{"eval.sample", error.what(), ""}});
  }
}

std::optional<SampleRow> TextSample::take(const Run& run) const {
  const LanguageModel& model = *run.state.model;
  if (prompt_.empty() || !run.workers->leads() || model.num_layers() == 0) return std::nullopt;
  const RunConfig& config = run.config();
  SampleRow row;
  row.depth = run.model.shape.layers;
  row.prompt = config.eval.sample;
  const GenerateOptions options{.max_tokens = config.eval.sample_tokens,
                                .temperature = kTemperature,
                                .top_k = kTopK,
                                .seed = config.run.seed,
                                .depth = row.depth,
                                .heeds_signals = false};  // the evaluation is whole already
  try {
    continue_text(model, *run.data.tokenizer, prompt_, options,
                  [&](std::string_view piece) { row.text += piece; });
  } catch (const CheckpointError& error) {
    log_warning("no sample: {}", error.what());
    return std::nullopt;
  }
  return row;
}

}  // namespace apollo
