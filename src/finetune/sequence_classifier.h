// A language model's body with a head that reads one vector per row, with the names and the
// arithmetic of `transformers`: BertForSequenceClassification (tanh pooler over [CLS], dropout,
// linear layer), ModernBertForSequenceClassification (the language head's transform of [CLS] or of
// the mean of all tokens, dropout, linear layer), and GPT2-, Llama- and
// Qwen3ForSequenceClassification (a linear layer without bias over the last token).
//
// Shape suffixes: B rows, T positions, W width, C outputs (classes, or 1 for regression).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/json_lines.h"
#include "finetune/pooling.h"
#include "finetune/row_batches.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace apollo {

// The values of all parameters, independent of the model from which they were taken.
struct ClassifierWeights {
  at::Tensor body;
  at::Tensor head;
};

class SequenceClassifier {
 public:
  // `dropout` is the body's, and also acts before the last layer of an encoder. The head is zero.
  // `pooling`, kCls or kMean, is for ClassifierHead::kTransform; other heads have a fixed one.
  SequenceClassifier(std::unique_ptr<LanguageModel> body, int64_t num_outputs,
                     Pooling pooling = Pooling::kCls);

  // Returns [B, C] in float32. Throws UsageError if a row exceeds the context.
  at::Tensor logits(const ClassifierBatch& batch, const PassOptions& options) const;

  LanguageModel& body() { return *body_; }
  const LanguageModel& body() const { return *body_; }
  ParameterSet& head() { return head_; }
  const ParameterSet& head() const { return head_; }
  int64_t num_outputs() const { return num_outputs_; }
  Pooling pooling() const { return pooling_; }

  ClassifierWeights weights() const;
  void set_weights(const ClassifierWeights& weights);

  // Changes every output to `scale` times its old value plus `shift`. GPT2ForSequenceClassification
  // has no bias for the shift, so the last norm's bias moves along the head's weights. Llama's and
  // Qwen3's have neither and throw UsageError for a shift other than 0.
  void rescale_output(double scale, double shift);

 private:
  at::Tensor pooled(const ClassifierBatch& batch, const PassOptions& options) const;

  std::unique_ptr<LanguageModel> body_;
  int64_t num_outputs_;
  Pooling pooling_;
  LayerMap blocks_;
  ParameterSet head_;
};

// Whether its classifiers can be shifted.
bool takes_shift(Architecture architecture);

// The classifier at the start of training.
struct StartOptions {
  uint64_t seed = 0;            // for everything that is drawn
  bool random_weights = false;  // also for the body: what a task gives without pre-training
};

// The start of classifiers: a folder's weights, with its pretrained pooler if it has one.
class ClassifierStart {
 public:
  // Opens the model of `folder` (a Hugging Face folder) as one with `depth` separate blocks (0: its
  // final depth). Throws CheckpointError as load_hf_model() does, and UsageError if the folder has
  // more layers than `depth`, or if a `pooling` is named for an architecture that has no choice.
  ClassifierStart(const std::filesystem::path& folder, int64_t depth, double dropout,
                  at::Device device, Pooling pooling = Pooling::kAuto);

  const ModelSpec& spec() const { return spec_; }
  Pooling pooling() const { return pooling_; }
  // Returns config.json of the body after training, with everything else that the folder's own
  // states.
  Json config() const;
  // Returns a classifier of that model with the weights of restart().
  SequenceClassifier make(int64_t num_outputs) const;
  void restart(SequenceClassifier& classifier, const StartOptions& options) const;

 private:
  ModelSpec spec_;
  at::Device device_;
  at::Tensor body_values_;
  at::Tensor pooler_weight_;  // undefined if there is none
  at::Tensor pooler_bias_;
  Pooling pooling_ = Pooling::kCls;
  ModelSpec folder_spec_;  // of the folder before any change
  int64_t folder_layers_ = 0;
  Json folder_config_;
};

// What `transformers` must know about a classifier.
struct ClassifierFolder {
  Json config;                      // of the body
  std::vector<std::string> labels;  // by class; empty: regression
  const Tokenizer& tokenizer;
  RowTokens tokens;
  int64_t max_length = 0;  // the greatest length of a row
};

// Writes config.json, model.safetensors and the tokenizer's files into the existing folder `dir`.
void save_classifier(const SequenceClassifier& classifier, const ClassifierFolder& saved,
                     const std::filesystem::path& dir);

}  // namespace apollo
