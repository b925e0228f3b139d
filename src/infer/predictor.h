// Batched probabilities of tokens in their context, for scoring and zero-shot evaluation.
//
// A causal model sees what comes before a token. A masked model sees all other tokens between [CLS]
// and [SEP]; every predicted token is replaced by [MASK].
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "infer/model_folder.h"
#include "parallel/workers.h"

namespace apollo {

// Asks for tokens[first .. first + count), given the others. A causal model gives no probability to
// the very first token, so for it `first` is at least 1.
struct Prediction {
  std::span<const TokenId> tokens;
  int64_t first = 0;
  int64_t count = 1;
};

struct TokenScore {
  double logprob = 0.0;  // nats
  bool is_top = false;   // no token is more likely than this one
};

// Receives the share that is done, in [0, 1], after every pass.
using ShareDone = std::function<void(double)>;

class Predictor {
 public:
  // `depth`: blocks per pass; 0: the depth of the final model. A pass takes as many sequences as
  // together have the tokens of `batch_size` full contexts, at least one. `loaded` must outlive the
  // predictor, and so must `workers`, which share the passes if given. Throws UsageError if the
  // depth is too small, and DataError if there is no tokenizer, or a masked model's has no [CLS],
  // [SEP] and [MASK] that the model knows.
  Predictor(const LoadedModel& loaded, int64_t depth, int64_t batch_size,
            Workers* workers = nullptr);

  const Tokenizer& tokenizer() const { return tokenizer_; }
  bool is_causal() const { return !frame_; }
  // Whether this process is alone or the one that reports.
  bool leads() const { return workers_ == nullptr || workers_->leads(); }
  // Returns the greatest length of Prediction::tokens that the model's context holds.
  int64_t max_tokens() const;

  // Returns the scores of all predictions, in their order, one after the other. Predictions of
  // similar length share a pass; that changes a score only by rounding. Workers must pass the same
  // predictions; each runs its share of the passes, and all get all scores, with the same bits
  // whatever their number. Throws Interrupted between passes if a signal asks to stop, and
  // CheckpointError if a probability is not finite.
  std::vector<TokenScore> score(std::span<const Prediction> predictions,
                                const ShareDone& on_share_done = {}) const;

 private:
  // What a masked model reads around the tokens and instead of them.
  struct Frame {
    TokenId cls = 0;
    TokenId sep = 0;
    TokenId mask = 0;
  };
  struct Pass;

  // A range in `order`; its predictions share a pass.
  struct Bounds {
    size_t begin = 0;
    size_t end = 0;
  };

  int64_t input_length(const Prediction& prediction) const;
  std::vector<Bounds> passes_of(std::span<const Prediction> predictions,
                                std::span<const size_t> order) const;
  // Worker k mod N has run pass k.
  void exchange(std::span<const Prediction> predictions, std::span<const size_t> order,
                std::span<const Bounds> passes, std::span<const size_t> first_score,
                std::span<TokenScore> scores) const;
  Pass make_pass(std::span<const Prediction> predictions, std::span<const size_t> chosen) const;
  void run_pass(std::span<const Prediction> predictions, std::span<const size_t> chosen,
                std::span<const size_t> first_score, std::span<TokenScore> scores) const;

  const LanguageModel& model_;
  const Tokenizer& tokenizer_;
  LayerMap blocks_;
  std::string folder_;
  int64_t max_pass_tokens_;
  Workers* workers_;            // null: only this process
  std::optional<Frame> frame_;  // only for a masked model
};

}  // namespace apollo
