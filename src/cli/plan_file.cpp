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

RunPlan plan_file(const ResolvedConfig& resolved, const DataSize& size, double flops_per_second) {
  const PlannedData data = plan_data(resolved, size);
  return plan_run(resolved.config, data.shape, data.sequences, flops_per_second,
                  find_source(resolved, data));
}

}  // namespace apollo
