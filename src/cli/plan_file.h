// `apollo plan` from a config to a plan, without a command line.
#pragma once

#include <cstdint>

#include "config/resolved_config.h"
#include "progressive/plan.h"

namespace apollo {

// Of the training data, where it is known without reading it.
struct DataSize {
  int64_t tokens = 0;      // 0: read the data
  int64_t vocab_size = 0;  // 0: that of the data, or model.vocab_size
};

// What a run depends on beside its config.
struct PlannedData {
  int64_t sequences = 0;       // of an epoch
  ModelShape shape;            // of the final model
  std::string tokenizer_hash;  // empty: not known
};

// With `size.tokens` nothing but the config is read. Throws UsageError where that comes without a
// vocabulary, DataError for data that cannot be used or is shorter than a sequence.
PlannedData plan_data(const ResolvedConfig& resolved, const DataSize& size);

// `flops_per_second`: for the predicted time; 0: none. Throws what plan_data() and plan_run()
// throw.
RunPlan plan_file(const ResolvedConfig& resolved, const DataSize& size, double flops_per_second);

}  // namespace apollo
