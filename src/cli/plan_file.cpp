#include "cli/plan_file.h"

#include <optional>

#include "base/error.h"
#include "config/objective.h"
#include "data/batches.h"
#include "data/prepare.h"
#include "progressive/source_model.h"

namespace apollo {
namespace {

struct FoundData {
  int64_t tokens = 0;
  int64_t vocab_size = 0;
  std::string tokenizer_hash = {};
};

FoundData find_data(const ResolvedConfig& resolved, const DataSize& size) {
  const int64_t vocab_size =
      size.vocab_size > 0 ? size.vocab_size : resolved.config.model.vocab_size;
  if (size.tokens > 0) {
    if (vocab_size < 1) fail<UsageError>("--tokens needs --vocab-size, or model.vocab_size");
    return {size.tokens, vocab_size};
  }
  try {
    const RunData data = open_run_data(resolved.config, resolved.base_dir);
    return {data.train->size(), size.vocab_size > 0 ? size.vocab_size : data.vocab_size,
            data.tokenizer != nullptr ? data.tokenizer->hash() : ""};
  } catch (const DataError& error) {
    fail<DataError>("{}\n  hint: --tokens N --vocab-size V plan a run without its data",
                    error.what());
  }
}

std::optional<SourceModel> find_source(const ResolvedConfig& resolved, const PlannedData& data) {
  if (resolved.config.model.from.empty()) return std::nullopt;
  SourceModel source = read_source_model(source_path(resolved.config, resolved.base_dir));
  check_source(source, resolved, data.shape, data.tokenizer_hash);
  return source;
}

}  // namespace

PlannedData plan_data(const ResolvedConfig& resolved, const DataSize& size) {
  const FoundData found = find_data(resolved, size);
  const int64_t sequences = num_sequences(resolved.config, found.tokens);
  if (sequences < 1) {
    fail<DataError>("{} tokens are less than one sequence of a context of {}", found.tokens,
                    resolved.config.model.context);
  }
  return {sequences, model_shape(resolved.config, found.vocab_size), found.tokenizer_hash};
}

PlanRate describe_rate(const LastRate& rate, std::string_view when) {
  const std::string threads = rate.device == "cpu" ? fmt::format(", {} threads", rate.threads) : "";
  return {rate.flops_per_second, fmt::format("{} ({}{})", when, rate.device, threads)};
}

PlanRate rate_or_last(double flops_per_second, const RunConfig& config) {
  if (flops_per_second > 0.0) return {flops_per_second};
  const std::optional<LastRate> last = find_last_rate(config, last_rate_file());
  return last ? describe_rate(*last, "as measured on this machine last") : PlanRate{};
}

RunPlan plan_file(const ResolvedConfig& resolved, const DataSize& size, const PlanRate& rate) {
  const PlannedData data = plan_data(resolved, size);
  RunPlan plan = plan_run(resolved.config, data.shape, data.sequences, rate.flops_per_second,
                          find_source(resolved, data));
  plan.rate_source = rate.source;
  return plan;
}

}  // namespace apollo
