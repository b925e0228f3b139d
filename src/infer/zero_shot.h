// Tasks on which a language model is scored as it is, without training for them.
//
// BLiMP (Warstadt et al. 2020): minimal pairs. A pair counts as right if the good sentence has the
// greater total log-probability (for a masked model: pseudo-log-likelihood, score.h).
//
// LAMBADA (Paperno et al. 2016): the last word of a passage. It counts as right if each of its
// tokens is the most likely one. The definition of a word and its tokens follows
// lm-evaluation-harness, `lambada_openai`: the context is everything before the last space, and the
// target is the tokens of the whole text after those of the context. A causal model sees nothing
// before the passage, and it sees the target's earlier tokens, so "right" means that greedy
// decoding writes the word. A masked model reads [CLS] context [MASK]... [SEP] with as many [MASK]
// as the word has tokens and predicts all of them at once. It is told the length of the word but
// not that it may continue. A passage longer than the model's context loses its beginning.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json_lines.h"
#include "infer/model_folder.h"
#include "parallel/workers.h"

namespace apollo {

struct ZeroShotOptions {
  int64_t depth = 0;           // 0: the depth of the final model
  int64_t batch_size = 16;     // as in ScoreOptions
  int64_t max_items = 0;       // so many pairs of each file, or passages; 0: all
  Workers* workers = nullptr;  // they share the passes, all with the same files; null: none
};

struct Tally {
  std::string name;
  int64_t num_items = 0;
  int64_t num_correct = 0;

  double accuracy() const {
    return static_cast<double>(num_correct) / static_cast<double>(num_items);
  }
};

struct BlimpResult {
  std::vector<Tally> files;    // by name
  Tally all;                   // every pair counts the same
  double mean_accuracy = 0.0;  // every file counts the same, as in BLiMP's tables
};

// Evaluates `path`, a folder of *.jsonl with `sentence_good` and `sentence_bad`, or one such file.
// It reads everything before the first pass. Throws as read_task_file() and Predictor do.
BlimpResult evaluate_blimp(const LoadedModel& loaded, const std::filesystem::path& path,
                           const ZeroShotOptions& options);

struct LambadaResult {
  Tally words;
  double mean_logprob = 0.0;         // of a whole last word, in nats
  std::optional<double> perplexity;  // exp(-mean_logprob); only for a causal model, because a
                                     // masked one predicts the word's tokens separately
};

// Evaluates `file`, .jsonl with `text`. In addition to read_task_file(), throws DataError if a text
// has fewer than two words or its last word alone is longer than the model's context.
LambadaResult evaluate_lambada(const LoadedModel& loaded, const std::filesystem::path& file,
                               const ZeroShotOptions& options);

// Return the results for people and for scripts.
std::string to_text(const BlimpResult& result);
std::string to_text(const LambadaResult& result);
Json to_json(const BlimpResult& result);
Json to_json(const LambadaResult& result);

}  // namespace apollo
