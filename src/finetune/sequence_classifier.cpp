#include "finetune/sequence_classifier.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tanh.h>

#include <cmath>
#include <utility>

#include "arch/hf_config.h"
#include "base/error.h"
#include "base/file.h"
#include "model/growth.h"
#include "model/hf_folder.h"
#include "model/hf_tokenizer.h"
#include "model/layer.h"
#include "ops/dropout.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPoolerWeight = "bert.pooler.dense.weight";
constexpr const char* kPoolerBias = "bert.pooler.dense.bias";

ParameterSpec bias(const std::string& name, int64_t size) {
  ParameterSpec spec;
  spec.name = name;
  spec.part = name;
  spec.shape = {size};
  return spec;
}

ParameterSpec matrix(const std::string& name, int64_t rows, int64_t columns, double init_std) {
  ParameterSpec spec = bias(name, rows);
  spec.shape.push_back(columns);
  spec.decay = true;
  spec.init = Init::kNormal;
  spec.init_std = init_std;
  return spec;
}

ClassifierHead head_of(const ModelSpec& spec) {
  return describe(spec.shape.architecture).classifier_head;
}

ParameterLayout head_layout(const ModelSpec& spec, int64_t num_outputs) {
  const int64_t width = spec.shape.width;
  switch (head_of(spec)) {
    case ClassifierHead::kLastToken:
      return ParameterLayout({matrix("score.weight", num_outputs, width, spec.init_std)});
    case ClassifierHead::kPooler:
      return ParameterLayout({matrix(kPoolerWeight, width, width, spec.init_std),
                              bias(kPoolerBias, width),
                              matrix("classifier.weight", num_outputs, width, spec.init_std),
                              bias("classifier.bias", num_outputs)});
    case ClassifierHead::kTransform:
      break;
  }
  // Initialised as in `transformers`, depending only on the width.
  const double std = 1.0 / std::sqrt(static_cast<double>(width));
  ParameterSpec weight = matrix("classifier.weight", num_outputs, width, std);
  weight.init = Init::kTruncatedNormal;
  return ParameterLayout({weight, bias("classifier.bias", num_outputs)});
}

Json classifier_config(const ModelSpec& spec, const ClassifierFolder& saved) {
  Json config = saved.config;
  config["architectures"] = {describe(spec.shape.architecture).sequence_classifier_class};
  config["problem_type"] = saved.labels.empty() ? "regression" : "single_label_classification";
  const std::vector<std::string> labels =
      saved.labels.empty() ? std::vector<std::string>{"score"} : saved.labels;
  Json names_by_id = Json::object();
  Json ids_by_name = Json::object();
  for (size_t i = 0; i < labels.size(); ++i) {
    names_by_id[std::to_string(i)] = labels[i];
    ids_by_name[labels[i]] = i;
  }
  config["id2label"] = names_by_id;
  config["label2id"] = ids_by_name;
  config["num_labels"] = labels.size();
  config["pad_token_id"] = saved.tokens.padding;
  // Trained weights are float32, whatever they were before.
  if (config.contains("dtype")) config["dtype"] = "float32";
  config["torch_dtype"] = "float32";
  return config;
}

}  // namespace

SequenceClassifier::SequenceClassifier(std::unique_ptr<LanguageModel> body, int64_t num_outputs,
                                       Pooling pooling)
    : body_(std::move(body)),
      num_outputs_(num_outputs),
      pooling_(pooling),
      blocks_(body_->blocks(body_->num_layers())),
      head_(head_layout(body_->spec(), num_outputs), body_->device()) {}

// Returns the vector of each row that the head reads, [B, W].
at::Tensor SequenceClassifier::pooled(const ClassifierBatch& batch,
                                      const PassOptions& options) const {
  DeviceBatch read = batch.tokens;
  const at::Tensor& inputs_BT = read.inputs_BT;
  if (head_of(body_->spec()) == ClassifierHead::kTransform && pooling_ == Pooling::kMean) {
    const at::Tensor hidden_BTW = body_->hidden(read, blocks_, options).to(at::kFloat);
    if (!read.documents_BT.defined()) return hidden_BTW.mean(1);
    // Padding does not belong to the row.
    const at::Tensor of_row_BT1 = read.documents_BT.eq(0).unsqueeze(2).to(hidden_BTW.scalar_type());
    return (hidden_BTW * of_row_BT1).sum(1) / of_row_BT1.sum(1);
  }
  // Reads the last token of each sequence, or its first.
  read.target_rows_M =
      body_->is_causal() ? batch.last_rows_B
                         : at::arange(0, inputs_BT.numel(), inputs_BT.size(1), inputs_BT.options());
  return body_->target_hidden(read, blocks_, options).to(at::kFloat);
}

at::Tensor SequenceClassifier::logits(const ClassifierBatch& batch,
                                      const PassOptions& options) const {
  const PrecisionScope precision(options.precision, options.kernels, body_->device());
  at::Tensor features_BW = pooled(batch, options);
  switch (head_of(body_->spec())) {
    case ClassifierHead::kLastToken:
      return at::linear(features_BW, head_.tensor("score.weight")).to(at::kFloat);
    case ClassifierHead::kPooler:
      features_BW =
          at::tanh(at::linear(features_BW, head_.tensor(kPoolerWeight), head_.tensor(kPoolerBias)));
      break;
    case ClassifierHead::kTransform:
      features_BW = body_->output_transform(features_BW, options).to(at::kFloat);
      break;
  }
  const at::Tensor kept_BW = dropout(
      features_BW, dropout_at(DropoutSite::kHead, 0, body_->spec(), options), options.kernels);
  return at::linear(kept_BW, head_.tensor("classifier.weight"), head_.tensor("classifier.bias"))
      .to(at::kFloat);
}

ClassifierWeights SequenceClassifier::weights() const {
  const at::NoGradGuard no_grad;
  return {body_->parameters().values().clone(), head_.values().clone()};
}

void SequenceClassifier::set_weights(const ClassifierWeights& weights) {
  const at::NoGradGuard no_grad;
  body_->parameters().values().copy_(weights.body);
  head_.values().copy_(weights.head);
}

void SequenceClassifier::rescale_output(double scale, double shift) {
  const at::NoGradGuard no_grad;
  if (!body_->is_causal()) {
    head_.tensor("classifier.weight").mul_(scale);
    head_.tensor("classifier.bias").mul_(scale).add_(shift);
    return;
  }
  const at::Tensor score_CW = head_.tensor("score.weight");
  score_CW.mul_(scale);
  if (shift == 0.0) return;
  if (!takes_shift(body_->spec().shape.architecture))
    throw UsageError("the classifier has no bias that could be shifted");
  const at::Tensor along_W = score_CW.sum(0);
  const double square = along_W.dot(along_W).item<double>();
  if (square == 0.0) return;
  const std::string_view name = describe(body_->spec().shape.architecture).output_shift;
  body_->parameters().tensor(name).add_(along_W, shift / square);
}

bool takes_shift(Architecture architecture) {
  return objective_of(architecture) == Objective::kMasked ||
         !describe(architecture).output_shift.empty();
}

namespace {

// Returns `asked`, or the pooling that the folder's config names.
Pooling pooling_of(const ModelSpec& spec, const Json& config, Pooling asked) {
  if (head_of(spec) != ClassifierHead::kTransform) {
    if (asked != Pooling::kAuto) {
      fail<UsageError>("train.pooling: a classifier of architecture '{}' reads one token, '{}'",
                       enum_name(spec.shape.architecture),
                       head_of(spec) == ClassifierHead::kPooler ? "cls" : "last");
    }
    return Pooling::kCls;
  }
  if (asked != Pooling::kAuto) return asked;
  return config.value("classifier_pooling", Json()) == Json("mean") ? Pooling::kMean
                                                                    : Pooling::kCls;
}

}  // namespace

ClassifierStart::ClassifierStart(const fs::path& folder, int64_t depth, double dropout,
                                 at::Device device, Pooling pooling)
    : device_(device) {
  const auto source = load_hf_model(folder, device, {.needs_head = false});
  source->parameters().drop_gradients();
  spec_ = source->spec();
  folder_spec_ = spec_;
  folder_layers_ = source->num_layers();
  const FolderRest rest = read_folder_rest(folder);
  folder_config_ = rest.config;
  pooling_ = pooling_of(spec_, folder_config_, pooling);
  if (depth == 0) depth = spec_.shape.layers;
  if (depth < source->num_layers()) {
    fail<UsageError>(
        "train.depth {} is too small: the model has {} unique layers; expected {} or more", depth,
        source->num_layers(), source->num_layers());
  }
  const LayerMap blocks = source->blocks(depth);
  spec_.shape.layers = depth;
  spec_.dropout = dropout;
  const ParameterLayout unrolled(model_parameters(spec_, depth));
  body_values_ =
      grow_buffer(source->parameters().values(), source->parameters().layout(), unrolled, blocks);
  if (head_of(spec_) != ClassifierHead::kPooler) return;
  const auto weight = rest.find(kPoolerWeight);
  const auto pooler_bias = rest.find(kPoolerBias);
  if (!weight || !pooler_bias) return;
  const int64_t width = spec_.shape.width;
  if (weight->sizes() != at::IntArrayRef({width, width}) ||
      pooler_bias->sizes() != at::IntArrayRef({width})) {
    fail<CheckpointError>("{}: the pooler's shapes do not fit the model's width {}",
                          folder.string(), width);
  }
  pooler_weight_ = *weight;
  pooler_bias_ = *pooler_bias;
}

Json ClassifierStart::config() const {
  ModelSpec before = folder_spec_;
  before.dropout = -1.0;  // so that it counts as changed: a folder may have another at each place
  Json config =
      derived_hf_config(folder_config_, {before, folder_layers_}, {spec_, spec_.shape.layers});
  if (head_of(spec_) == ClassifierHead::kTransform) {
    config["classifier_pooling"] = enum_name(pooling_);
    config["classifier_dropout"] = spec_.dropout;
  }
  return config;
}

SequenceClassifier ClassifierStart::make(int64_t num_outputs) const {
  return {make_model(spec_, spec_.shape.layers, device_), num_outputs, pooling_};
}

void ClassifierStart::restart(SequenceClassifier& classifier, const StartOptions& options) const {
  const at::NoGradGuard no_grad;
  classifier.head().initialize(options.seed);
  ParameterSet& body = classifier.body().parameters();
  if (options.random_weights) {
    body.initialize(options.seed);
    return;
  }
  body.values().copy_(body_values_);
  if (!pooler_weight_.defined()) return;
  const ParameterSet& head = classifier.head();
  slot_view(head.values(), head.layout().slot(kPoolerWeight)).copy_(pooler_weight_);
  slot_view(head.values(), head.layout().slot(kPoolerBias)).copy_(pooler_bias_);
}

void save_classifier(const SequenceClassifier& classifier, const ClassifierFolder& saved,
                     const fs::path& dir) {
  const Json config = classifier_config(classifier.body().spec(), saved);
  write_file_atomic(dir / "config.json", config.dump(2) + "\n");
  const LanguageModel& body = classifier.body();
  NamedTensors tensors =
      hf_tensors(weights_of(body), {describe(body.spec().shape.architecture).names.head});
  const ParameterSet& head = classifier.head();
  for (const ParameterSlot& slot : head.layout().slots())
    tensors.emplace_back(slot.spec.name, slot_view(head.values(), slot));
  write_safetensors(dir / "model.safetensors", tensors, {{"format", "pt"}});
  save_hf_tokenizer(saved.tokenizer, dir, saved.max_length,
                    describe(body.spec().shape.architecture).takes_segments);
  if (classifier.body().is_causal())
    put_before_texts(dir, saved.tokenizer, saved.tokens.begin.value());
}

}  // namespace apollo
