#include "finetune/sequence_classifier.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/tanh.h>

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

ParameterLayout head_layout(const ModelSpec& spec, int64_t num_outputs) {
  const int64_t width = spec.shape.width;
  if (objective_of(spec.shape.architecture) == Objective::kCausal) {
    return ParameterLayout({matrix("score.weight", num_outputs, width, spec.init_std)});
  }
  return ParameterLayout({matrix(kPoolerWeight, width, width, spec.init_std),
                          bias(kPoolerBias, width),
                          matrix("classifier.weight", num_outputs, width, spec.init_std),
                          bias("classifier.bias", num_outputs)});
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
  // What was trained is float32, whatever it began as.
  if (config.contains("dtype")) config["dtype"] = "float32";
  config["torch_dtype"] = "float32";
  return config;
}

}  // namespace

SequenceClassifier::SequenceClassifier(std::unique_ptr<LanguageModel> body, int64_t num_outputs)
    : body_(std::move(body)),
      num_outputs_(num_outputs),
      blocks_(body_->blocks(body_->num_layers())),
      head_(head_layout(body_->spec(), num_outputs), body_->device()) {}

at::Tensor SequenceClassifier::logits(const ClassifierBatch& batch,
                                      const PassOptions& options) const {
  const PrecisionScope precision(options.precision, body_->device());
  const at::Tensor& inputs_BT = batch.tokens.inputs_BT;
  // The head reads one place of each sequence: the last token, or BERT's first.
  DeviceBatch read = batch.tokens;
  read.target_rows_M =
      body_->is_causal() ? batch.last_rows_B
                         : at::arange(0, inputs_BT.numel(), inputs_BT.size(1), inputs_BT.options());
  const at::Tensor hidden_BW = body_->target_hidden(read, blocks_, options);
  if (body_->is_causal()) {
    return at::linear(hidden_BW, head_.tensor("score.weight")).to(at::kFloat);
  }
  const at::Tensor pooled_BW =
      at::tanh(at::linear(hidden_BW, head_.tensor(kPoolerWeight), head_.tensor(kPoolerBias)));
  const at::Tensor kept_BW = dropout(
      pooled_BW, dropout_at(DropoutSite::kHead, 0, body_->spec(), options), options.kernels);
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

ClassifierStart::ClassifierStart(const fs::path& folder, int64_t depth, double dropout,
                                 at::Device device)
    : device_(device) {
  const auto source = load_hf_model(folder, device, {.needs_head = false});
  source->parameters().drop_gradients();
  spec_ = source->spec();
  folder_spec_ = spec_;
  folder_layers_ = source->num_layers();
  const FolderRest rest = read_folder_rest(folder);
  folder_config_ = rest.config;
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
  if (objective_of(spec_.shape.architecture) != Objective::kMasked) return;
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
  return derived_hf_config(folder_config_, {before, folder_layers_}, {spec_, spec_.shape.layers});
}

SequenceClassifier ClassifierStart::make(int64_t num_outputs) const {
  return {make_model(spec_, spec_.shape.layers, device_), num_outputs};
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
  NamedTensors tensors = hf_tensors(weights_of(classifier.body()), /*with_head=*/false);
  const ParameterSet& head = classifier.head();
  for (const ParameterSlot& slot : head.layout().slots())
    tensors.emplace_back(slot.spec.name, slot_view(head.values(), slot));
  write_safetensors(dir / "model.safetensors", tensors, {{"format", "pt"}});
  save_hf_tokenizer(saved.tokenizer, dir, saved.max_length);
  if (classifier.body().is_causal())
    put_before_texts(dir, saved.tokenizer, saved.tokens.begin.value());
}

}  // namespace apollo
