// Tasks that a language model is scored on as it is, without training for them.
//
// BLiMP (Warstadt et al. 2020): minimal pairs; one counts as right where the total log-probability
// (of a masked model: pseudo-log-likelihood, score.h) of the good sentence is the greater.
//
// LAMBADA (Paperno et al. 2016): the last word of a passage; it counts as right where every one of
// its tokens is the most likely. What a word is and how it is cut into tokens follows
// lm-evaluation-harness, `lambada_openai`: the context is all before the last space, the target the
// tokens of the whole text beyond those of the context. A causal model sees nothing before the
// passage and the target's own earlier tokens, so that right means: greedy decoding writes the
// word. A masked model has as many [MASK] as the word has tokens and predicts all of them at once
// from [CLS] context [MASK]... [SEP]; it is told how long the word is, and not that it may go on.
// A passage longer than the model's context loses its beginning.
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
  int64_t depth = 0;           // 0: of the final model
  int64_t batch_size = 16;     // as in ScoreOptions
  int64_t max_items = 0;       // the first so many pairs of each file, or passages; 0: all
  Workers* workers = nullptr;  // that share the passes, all with the same files; null: none
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
  double mean_accuracy = 0.0;  // every file counts the same, as BLiMP is reported
};

// `path`: the folder of *.jsonl with `sentence_good` and `sentence_bad`, or one such file. Reads
// all before the first pass. Throws as read_task_file() and Predictor do.
BlimpResult evaluate_blimp(const LoadedModel& loaded, const std::filesystem::path& path,
                           const ZeroShotOptions& options);

struct LambadaResult {
  Tally words;
  double mean_logprob = 0.0;         // of a whole last word, nats
  std::optional<double> perplexity;  // exp(-mean_logprob); only of a causal model, since a masked
                                     // one predicts the tokens of a word apart from each other
};

// `file`: .jsonl with `text`. Throws DataError, beyond read_task_file(), where a text has less than
// two words or the last alone is longer than the model's context.
LambadaResult evaluate_lambada(const LoadedModel& loaded, const std::filesystem::path& file,
                               const ZeroShotOptions& options);

// For people, and for scripts.
std::string to_text(const BlimpResult& result);
std::string to_text(const LambadaResult& result);
Json to_json(const BlimpResult& result);
Json to_json(const LambadaResult& result);

}  // namespace apollo
