// `apollo plan`, from a config to a plan, without a command line.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "config/resolved_config.h"
#include "progressive/last_rate.h"
#include "progressive/plan.h"

namespace apollo {

// The size of the training data, if it is known without reading the data.
struct DataSize {
  int64_t tokens = 0;      // 0: read the data
  int64_t vocab_size = 0;  // 0: the data's, or model.vocab_size
};

// What a run depends on besides its config.
struct PlannedData {
  int64_t sequences = 0;       // per epoch
  ModelShape shape;            // of the final model
  std::string tokenizer_hash;  // empty: unknown
};

// With `size.tokens` only the config is read. Throws UsageError if there is no vocabulary then, and
// DataError for data that cannot be used or is shorter than a sequence.
PlannedData plan_data(const ResolvedConfig& resolved, const DataSize& size);

// The rate with which a plan predicts times.
struct PlanRate {
  double flops_per_second = 0.0;  // 0: no prediction
  std::string source = {};        // where it is from, for people; empty: the user's
};

// Describes a rate that was measured; `when`: "as measured now".
PlanRate describe_rate(const LastRate& rate, std::string_view when);

// Returns the user's rate, or if that is 0 the one at which this machine trained last.
PlanRate rate_or_last(double flops_per_second, const RunConfig& config);

// Throws what plan_data() and plan_run() throw.
RunPlan plan_file(const ResolvedConfig& resolved, const DataSize& size, const PlanRate& rate);

}  // namespace apollo
