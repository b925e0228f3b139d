// Probabilities of tokens in their context, batched: what scoring and zero-shot evaluation share.
//
// A causal model sees what stands before a token. A masked model sees all of the other tokens,
// between [CLS] and [SEP], with every token that is asked for replaced by [MASK].
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
// the first token of all, so there `first` is at least 1.
struct Prediction {
  std::span<const TokenId> tokens;
  int64_t first = 0;
  int64_t count = 1;
};

struct TokenScore {
  double logprob = 0.0;  // nats
  bool is_top = false;   // no token is more likely
};

// Told the share that is done, in [0, 1], after every pass.
using ShareDone = std::function<void(double)>;

class Predictor {
 public:
  // `depth`: blocks of a pass, 0: of the final model. A pass takes as many sequences as have
  // together the tokens of `batch_size` sequences as long as the context, at least one. `loaded`
  // and `workers`, which share the passes out if given, must outlive this. Throws UsageError where
  // the depth is too small, DataError where there is no tokenizer or that of a masked model has no
  // [CLS], [SEP] and [MASK] that the model knows.
  Predictor(const LoadedModel& loaded, int64_t depth, int64_t batch_size,
            Workers* workers = nullptr);

  const Tokenizer& tokenizer() const { return tokenizer_; }
  bool is_causal() const { return !frame_; }
  // This process is alone, or the one that tells of all.
  bool leads() const { return workers_ == nullptr || workers_->leads(); }
  // The longest Prediction::tokens that the model's context holds.
  int64_t max_tokens() const;

  // The scores of all predictions, one after the other, in their order. Predictions of like length
  // share a pass; what shares one changes a score only by rounding. Workers ask for the same
  // predictions and each runs its share of the passes; all of them get all scores, the same bits
  // whatever their number. Throws Interrupted between passes when a signal asks to stop,
  // CheckpointError where a probability is not finite.
  std::vector<TokenScore> score(std::span<const Prediction> predictions,
                                const ShareDone& on_share_done = {}) const;

 private:
  // What a masked model reads around and instead of tokens.
  struct Frame {
    TokenId cls = 0;
    TokenId sep = 0;
    TokenId mask = 0;
  };
  struct Pass;

  // Numbers into `order`, whose predictions share a pass.
  struct Bounds {
    size_t begin = 0;
    size_t end = 0;
  };

  int64_t input_length(const Prediction& prediction) const;
  std::vector<Bounds> passes_of(std::span<const Prediction> predictions,
                                std::span<const size_t> order) const;
  // Pass k was run by worker k mod N.
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
  Workers* workers_;            // null: none but this process
  std::optional<Frame> frame_;  // of a masked model
};

}  // namespace apollo
