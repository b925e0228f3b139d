// What `apollo train TEXT` trains without a config: a GPT whose size suits the text, the machine
// and a few minutes.
#pragma once

#include <cstdint>
#include <string>

namespace apollo {

struct FirstRun {
  int64_t layers = 0;
  int64_t width = 0;
  int64_t heads = 0;
  int64_t context = 0;
  int64_t batch_size = 0;  // sequences per step
  double lr = 0.0;
  int64_t steps = 0;

  int64_t parameters = 0;  // all weights, tied ones once
  double tokens = 0.0;     // read by the run
  double flops = 0.0;

  bool operator==(const FirstRun&) const = default;
};

// Returns the vocabulary size of the byte-level BPE trained on a text of this many bytes.
int64_t first_vocab_size(double text_bytes);

// Chooses the largest model of 40,000 to 150 million parameters that reads 40 tokens per parameter
// within `seconds` at `flops_per_second` while reading the text at most 8 times, or the smallest
// one if none does. The rules of model.size make of its number of parameters a model, a batch and a
// learning rate (config/model_size.h). The run is from scratch, because with few tokens per
// parameter no growth beats that (docs/results/frontier.md). `text_tokens`: of the training text,
// at least 1.
FirstRun choose_first_run(int64_t text_tokens, int64_t vocab_size, double flops_per_second,
                          double seconds);

// The text of a first run.
struct FirstText {
  std::string name;  // of the run
  std::string path;  // file or folder
  double bytes = 0.0;
};

// Returns a config that states all of it, with the reasons as comments.
std::string first_run_toml(const FirstRun& run, const FirstText& text, int64_t threads);

}  // namespace apollo
