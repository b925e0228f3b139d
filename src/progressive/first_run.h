// What `apollo train TEXT` trains, where no config says it: the GPT that a text, a machine and some
// minutes are good for.
#pragma once

#include <cstdint>
#include <string>

namespace apollo {

struct FirstRun {
  int64_t layers = 0;
  int64_t width = 0;
  int64_t heads = 0;
  int64_t context = 0;
  int64_t batch_size = 0;  // sequences of a step
  double lr = 0.0;
  int64_t steps = 0;

  int64_t parameters = 0;  // all weights, tied ones once
  double tokens = 0.0;     // that it reads
  double flops = 0.0;

  bool operator==(const FirstRun&) const = default;
};

// Of the byte-level BPE that is trained on a text of so many bytes.
int64_t first_vocab_size(double text_bytes);

// The largest model of a list from 2 layers of width 32 to 12 of width 768 that reads 40 tokens per
// parameter within `seconds` at `flops_per_second`, and the text not more than 8 times; the
// smallest of them where none does. From scratch and shallow: with few tokens per parameter no way
// of growing beats that (docs/results/frontier.md). The learning rate is 0.256 / width, through the
// best ones of our grids: 8e-3 at width 32, 4e-3 at 64 (docs/results/methods.md). `text_tokens`:
// of the training text, 1 at least.
FirstRun choose_first_run(int64_t text_tokens, int64_t vocab_size, double flops_per_second,
                          double seconds);

// The text that a first run is about.
struct FirstText {
  std::string name;  // of the run
  std::string path;  // file or folder
  double bytes = 0.0;
};

// A config that says all of it, with the reasons as comments.
std::string first_run_toml(const FirstRun& run, const FirstText& text, int64_t threads);

}  // namespace apollo
