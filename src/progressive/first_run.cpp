#include "progressive/first_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "arch/counts.h"
#include "base/printable.h"
#include "base/units.h"
#include "config/fields.h"
#include "config/model_size.h"
#include "config/objective.h"

namespace apollo {
namespace {

constexpr double kTokensPerParameter = 40.0;
constexpr double kEpochs = 8.0;
// The share of training tokens that all evaluations together read. They run forward only, so this
// is 2 % of the work.
constexpr double kEvaluationShare = 0.06;
constexpr int64_t kEvaluations = 10;
// Smaller texts set a larger part apart, so that there is something to evaluate on.
constexpr double kSmallText = 1e6;

// Models from about 40,000 to 150 million parameters are tried, each half as large again as the one
// before.
constexpr double kSmallestModel = 4e4;
constexpr double kLargestModel = 1.5e8;
constexpr double kModelStep = 1.5;
// Below a million parameters, short sequences.
constexpr double kSmallModel = 1e6;

FirstRun run_of(double parameters, int64_t text_tokens, int64_t vocab_size, double flops) {
  RunConfig config;
  config.model.context = parameters < kSmallModel ? 128 : 256;
  const ModelSizes sizes = choose_sizes(config, vocab_size, parameters);
  config.model.layers = sizes.layers;
  config.model.width = sizes.width;
  config.model.heads = sizes.heads;

  FirstRun run;
  run.layers = sizes.layers;
  run.width = sizes.width;
  run.heads = sizes.heads;
  run.context = config.model.context;
  run.batch_size = batch_size_for(parameters, run.context);
  run.lr = lr_for(sizes.width);
  const double step_flops = train_flops(model_shape(config, vocab_size), run.layers, run.batch_size,
                                        targets_per_sequence(config));
  const auto step_tokens = static_cast<double>(run.batch_size * run.context);
  const double most_steps = kEpochs * static_cast<double>(text_tokens) / step_tokens;
  run.steps = std::max<int64_t>(1, std::llround(std::min(flops / step_flops, most_steps)));
  run.parameters = sizes.parameters;
  run.tokens = static_cast<double>(run.steps) * step_tokens;
  run.flops = static_cast<double>(run.steps) * step_flops;
  return run;
}

}  // namespace

int64_t first_vocab_size(double text_bytes) {
  if (text_bytes < 1e6) return 512;
  if (text_bytes < 1e7) return 1024;
  return text_bytes < 1e9 ? 4096 : 16384;
}

FirstRun choose_first_run(int64_t text_tokens, int64_t vocab_size, double flops_per_second,
                          double seconds) {
  const double flops = flops_per_second * seconds;
  FirstRun best = run_of(kSmallestModel, text_tokens, vocab_size, flops);
  for (double size = kSmallestModel; size <= kLargestModel; size *= kModelStep) {
    const FirstRun run = run_of(size, text_tokens, vocab_size, flops);
    if (run.tokens < kTokensPerParameter * static_cast<double>(run.parameters)) break;
    best = run;
  }
  return best;
}

std::string first_run_toml(const FirstRun& run, const FirstText& text, int64_t threads) {
  const auto eval_tokens = static_cast<int64_t>(kEvaluationShare * run.tokens / kEvaluations);
  return fmt::format(
      R"(# Written by `apollo train {text}`, which goes on with the run that stands here.
# To change something, copy this file and train the copy with another --out.
#
# {parameters} parameters read {tokens} tokens, {ratio:.0f} per parameter, for {flops}.
# So few FLOPs are spent best on a shallow model from scratch. Where a deep model is wanted, growing
# (progressive.method = "apollo+") makes it cheaper.
[run]
name = {quoted_name}
threads = {threads}                         # the faster number here; another gives other last bits

[data]
train = [{quoted_text}]
valid_fraction = {valid}               # set apart for validation
tokenizer = "train:bpe:{vocab}"

[model]
architecture = "gpt2"
layers = {layers}
width = {width}
heads = {heads}
context = {context}

[train]
duration = "{steps} steps"
batch_size = {batch}
micro_batch_size = {batch}
lr = {lr}
lr_schedule = "wsd"                 # constant, then down to 0 in the last fifth
weight_decay = 0.1

[progressive]
method = "scratch"

[eval]
every = "{eval_percent}%"
max_tokens = {eval_tokens}
sample = "\n"                       # what the model goes on with from a new line, each time

[checkpoint]
every = "10%"
keep = 2
)",
      fmt::arg("text", printable(text.path)), fmt::arg("threads", threads),
      fmt::arg("valid", text.bytes < kSmallText ? 0.1 : 0.02),
      fmt::arg("parameters", format_count(static_cast<double>(run.parameters))),
      fmt::arg("tokens", format_count(run.tokens)),
      fmt::arg("ratio", run.tokens / static_cast<double>(run.parameters)),
      fmt::arg("flops", format_flops(run.flops)), fmt::arg("quoted_name", toml_text(text.name)),
      fmt::arg("quoted_text", toml_text(text.path)),
      fmt::arg("vocab", first_vocab_size(text.bytes)), fmt::arg("layers", run.layers),
      fmt::arg("width", run.width), fmt::arg("heads", run.heads), fmt::arg("context", run.context),
      fmt::arg("steps", run.steps), fmt::arg("batch", run.batch_size), fmt::arg("lr", run.lr),
      fmt::arg("eval_percent", 100 / kEvaluations),
      fmt::arg("eval_tokens", std::max(eval_tokens, run.context)));
}

}  // namespace apollo
