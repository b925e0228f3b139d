// What planning must know of a run's data: its size, its vocabulary, and what identifies it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "config/resolved_config.h"

namespace apollo {

struct SuitePlanOptions {
  // Size of training data and vocabulary, to plan the suite without its data; 0: open the data.
  double tokens = 0.0;
  int64_t vocab_size = 0;
};

struct DataSummary {
  int64_t tokens = 0;
  int64_t vocab_size = 0;
  // Content hashes; empty if the suite is planned without its data, or if there is none.
  std::string train;
  std::string valid;
  std::string tokenizer;
};

// Opens each data set once, however many runs use it.
class DataSummaries {
 public:
  explicit DataSummaries(const SuitePlanOptions& options) : options_(options) {}

  // Throws UsageError if neither the options nor the config state the vocabulary's size, and
  // whatever open_run_data() throws.
  DataSummary of(const ResolvedConfig& resolved);

 private:
  SuitePlanOptions options_;
  std::map<std::string, DataSummary> known_;
};

}  // namespace apollo
