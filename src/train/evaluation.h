// Loss on held-out data at any depth. It is deterministic: sequences come in the order of the text.
#pragma once

#include <cstdint>
#include <vector>

#include "data/batches.h"
#include "model/model.h"
#include "parallel/workers.h"

namespace apollo {

struct EvaluationOptions {
  int64_t batch_size = 16;  // sequences per forward pass
  int64_t max_tokens = 0;   // rounded up to sequences, spread evenly over the data; 0: all of it
  bool show_progress = false;
  PassOptions pass;
  Workers* workers = nullptr;  // they share the batches; null: only this process
};

struct EvaluationResult {
  double loss = 0.0;      // mean over targets, nats
  double accuracy = 0.0;  // share of targets that the model finds most likely
  int64_t num_targets = 0;
  double flops = 0.0;  // of the forward passes
};

// Returns the same bits for any number of workers. Throws Interrupted between two passes if a
// signal asks to stop, except with workers, which can only stop together.
EvaluationResult evaluate(const LanguageModel& model, int64_t depth, const Batches& data,
                          const EvaluationOptions& options);

// Returns exp(loss), limited where it would overflow a double.
double perplexity(double loss);
// Returns the bits per byte of a text of `text_bytes` bytes and `num_tokens` tokens.
double bits_per_byte(double loss, int64_t num_tokens, int64_t text_bytes);

}  // namespace apollo
