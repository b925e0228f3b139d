// What planning must know of the data of a run: its size, its vocabulary, and what identifies it.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "config/resolved_config.h"

namespace apollo {

struct SuitePlanOptions {
  // Size of training data and vocabulary, where the suite is planned without its data; 0: open it.
  double tokens = 0.0;
  int64_t vocab_size = 0;
};

struct DataSummary {
  int64_t tokens = 0;
  int64_t vocab_size = 0;
  // Content hashes; empty where the suite is planned without its data, or there is none.
  std::string train;
  std::string valid;
  std::string tokenizer;
};

// Opens each data once, whatever the number of runs on it.
class DataSummaries {
 public:
  explicit DataSummaries(const SuitePlanOptions& options) : options_(options) {}

  // Throws UsageError where neither the options nor the config name the vocabulary's size, and
  // what open_run_data() throws.
  DataSummary of(const ResolvedConfig& resolved);

 private:
  SuitePlanOptions options_;
  std::map<std::string, DataSummary> known_;
};

}  // namespace apollo
