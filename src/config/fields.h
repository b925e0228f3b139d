// Every key of RUN.toml, once: visit_fields() calls a visitor with each field's description and
// its value in one or several configs in parallel. Parsing, printing, help, comparison and method
// defaults all go through it, so that a new key is one line here and one in run_config.h.
#pragma once

#include <concepts>
#include <optional>
#include <string>
#include <vector>

#include "config/enum_names.h"
#include "config/run_config.h"

namespace apollo {

// Whether a run whose value is changed gives other numbers (weights or logged losses): resuming
// with such a change is refused. A place, a name or how often to look does not count.
enum class Effect { kResult, kNone };

struct Field {
  const char* section;
  const char* key;
  Effect effect;
  const char* help;

  std::string path() const { return std::string(section) + "." + key; }
};

template <class Visitor, class... Configs>
void visit_run_fields(Visitor&& visit, Configs&... c) {
  visit(
      Field{"run", "name", Effect::kNone, "name of the run; its folder is runs/NAME unless --out"},
      c.run.name...);
  visit(Field{"run", "seed", Effect::kResult, "of every random number"}, c.run.seed...);
  visit(Field{"run", "device", Effect::kResult, "auto, cpu, cuda or cuda:N"}, c.run.device...);
  visit(Field{"run", "threads", Effect::kResult, "0: physical cores"}, c.run.threads...);
  visit(Field{"run", "kernels", Effect::kResult, "reference: every fused operator off"},
        c.run.kernels...);
  visit(Field{"run", "matmul", Effect::kResult,
              "library of matrix products on the CPU; auto: the faster one on this processor"},
        c.run.matmul...);
  visit(Field{"run", "cuda_graphs", Effect::kNone,
              "on a GPU, passes that come again are recorded and launched as a whole"},
        c.run.cuda_graphs...);
}

template <class Visitor, class... Configs>
void visit_data_fields(Visitor&& visit, Configs&... c) {
  visit(Field{"data", "train", Effect::kResult,
              "text files, folders of them, globs (** too) or prepared datasets"},
        c.data.train...);
  visit(Field{"data", "valid", Effect::kResult, "the same for validation"}, c.data.valid...);
  visit(Field{"data", "text_field", Effect::kResult,
              "field of JSON lines that holds a document's text"},
        c.data.text_field...);
  visit(Field{"data", "valid_fraction", Effect::kResult,
              "share of the training text set apart where valid is empty"},
        c.data.valid_fraction...);
  visit(Field{"data", "tokenizer", Effect::kResult,
              "folder, train:bpe:SIZE, train:wordpiece:SIZE (lower case without accents), "
              "train:wordpiece-cased:SIZE, bytes, or empty for bare .bin"},
        c.data.tokenizer...);
  visit(Field{"data", "masked_fraction", Effect::kResult,
              "bert: share of the tokens that are to be predicted, in (0, 1)"},
        c.data.masked_fraction...);
  visit(
      Field{"data", "mask_whole_words", Effect::kResult, "bert: mask all tokens of a word or none"},
      c.data.mask_whole_words...);
  visit(Field{"data", "separate_documents", Effect::kResult,
              "bert: no attention between documents that share a sequence"},
        c.data.separate_documents...);
  visit(Field{"data", "cache", Effect::kNone,
              "folder for prepared text; empty: the user's cache folder"},
        c.data.cache...);
  visit(Field{"data", "base_dir", Effect::kNone,
              "folder that relative paths start from; empty: the config file's"},
        c.data.base_dir...);
}

template <class Visitor, class... Configs>
void visit_model_fields(Visitor&& visit, Configs&... c) {
  visit(Field{"model", "architecture", Effect::kResult, "what is trained"},
        c.model.architecture...);
  visit(Field{"model", "layers", Effect::kResult, "of the final model"}, c.model.layers...);
  visit(Field{"model", "width", Effect::kResult, "of the hidden state"}, c.model.width...);
  visit(Field{"model", "heads", Effect::kResult,
              "attention heads; divides width where head_dim is 0"},
        c.model.heads...);
  visit(Field{"model", "kv_heads", Effect::kResult,
              "llama, qwen3: heads of keys and values, a divisor of heads; 0: as many"},
        c.model.kv_heads...);
  visit(Field{"model", "head_dim", Effect::kResult,
              "llama, qwen3: width of a head, even; 0: width / heads"},
        c.model.head_dim...);
  visit(Field{"model", "inner_width", Effect::kResult,
              "inside the MLP; 0: 4 * width, for llama and qwen3 8/3 of it, a multiple of 16"},
        c.model.inner_width...);
  visit(Field{"model", "context", Effect::kResult, "tokens in a sequence"}, c.model.context...);
  visit(Field{"model", "vocab_size", Effect::kResult, "0: the tokenizer's"}, c.model.vocab_size...);
  visit(Field{"model", "rope_theta", Effect::kResult,
              "llama, qwen3: base of the rotary positions; 0: 10000"},
        c.model.rope_theta...);
  visit(Field{"model", "tie_embeddings", Effect::kResult,
              "llama, qwen3: whether the output layer has the embedding's weights; auto: for all "
              "but llama"},
        c.model.tie_embeddings...);
  visit(Field{"model", "norm_epsilon", Effect::kResult,
              "of the norms; 0: 1e-5 for gpt2, 1e-12 for bert, 1e-6 for llama and qwen3"},
        c.model.norm_epsilon...);
  visit(Field{"model", "dropout", Effect::kResult,
              "probability, in [0, 1); llama, qwen3: of attention weights only"},
        c.model.dropout...);
  visit(Field{"model", "init_std", Effect::kResult,
              "standard deviation of fresh weights; 0.02 suits a width near 768"},
        c.model.init_std...);
}

template <class Visitor, class... Configs>
void visit_train_fields(Visitor&& visit, Configs&... c) {
  visit(Field{"train", "duration", Effect::kResult, "steps, tokens, epochs, flops or hours"},
        c.train.duration...);
  visit(Field{"train", "batch_size", Effect::kResult, "sequences in an optimizer step"},
        c.train.batch_size...);
  visit(Field{"train", "micro_batch_size", Effect::kResult,
              "sequences in a forward pass; 0: as large as memory allows"},
        c.train.micro_batch_size...);
  visit(Field{"train", "micro_batch_by_depth", Effect::kResult,
              "shallower passes take as many more as fit in the memory of the deepest; set by "
              "micro_batch_size = 0"},
        c.train.micro_batch_by_depth...);
  visit(Field{"train", "lr", Effect::kResult, "peak learning rate"}, c.train.lr...);
  visit(Field{"train", "lr_schedule", Effect::kResult, "how it decays"}, c.train.lr_schedule...);
  visit(Field{"train", "lr_axis", Effect::kResult, "what the schedule is measured on"},
        c.train.lr_axis...);
  visit(Field{"train", "lr_final", Effect::kResult, "at the end, as a fraction of lr"},
        c.train.lr_final...);
  visit(Field{"train", "warmup", Effect::kResult, "length of the linear rise"}, c.train.warmup...);
  visit(Field{"train", "decay", Effect::kResult, "length of the last phase of wsd"},
        c.train.decay...);
  visit(Field{"train", "weight_decay", Effect::kResult, "on matrices only"},
        c.train.weight_decay...);
  visit(Field{"train", "betas", Effect::kResult, "of AdamW"}, c.train.betas...);
  visit(Field{"train", "epsilon", Effect::kResult, "of AdamW"}, c.train.epsilon...);
  visit(Field{"train", "clip", Effect::kResult, "largest gradient norm; 0: no clipping"},
        c.train.clip...);
  visit(Field{"train", "precision", Effect::kResult, "of activations and products"},
        c.train.precision...);
  visit(Field{"train", "recompute", Effect::kResult,
              "save memory: compute blocks again in the backward pass (deep: only of passes deeper "
              "than the stage, all)"},
        c.train.recompute...);
}

// `method` itself has no effect: the keys that it fills do.
template <class Visitor, class... Configs>
void visit_progressive_fields(Visitor&& visit, Configs&... c) {
  visit(Field{"progressive", "method", Effect::kNone,
              "named method that fills the keys of this section that are left out"},
        c.progressive.method...);
  visit(Field{"progressive", "stages", Effect::kResult,
              "layers and end of each stage, in order; with a depth, passes run so many of the "
              "layers, drawn at random"},
        c.progressive.stages...);
  visit(Field{"progressive", "layer_map", Effect::kResult, "which layer comes from which"},
        c.progressive.layer_map...);
  visit(Field{"progressive", "new_layers", Effect::kResult,
              "copies; copies whose output projections are zero (no change of the function, but "
              "for bert); or fresh ones"},
        c.progressive.new_layers...);
  visit(Field{"progressive", "trains", Effect::kResult,
              "new: stages between the first and the last train the layers that growth added and "
              "the output head only"},
        c.progressive.trains...);
  visit(Field{"progressive", "depth_sampler", Effect::kResult, "law of the depth of a pass"},
        c.progressive.depth_sampler...);
  visit(Field{"progressive", "depth_draw", Effect::kResult, "how often a depth is drawn"},
        c.progressive.depth_draw...);
  visit(Field{"progressive", "stratify", Effect::kResult,
              "draws in a window that are spread evenly over the law; 0: independent draws"},
        c.progressive.stratify...);
  visit(Field{"progressive", "rehearse_from", Effect::kResult,
              "part of a stage before which the depth is its layers, in [0, 1)"},
        c.progressive.rehearse_from...);
  visit(Field{"progressive", "optimizer_state", Effect::kResult, "what growth does to moments"},
        c.progressive.optimizer_state...);
  visit(Field{"progressive", "lr_depth_power", Effect::kResult,
              "p: the learning rate of a stage of N of L layers is multiplied by (L/N)^p"},
        c.progressive.lr_depth_power...);
  visit(Field{"progressive", "rewarm", Effect::kResult,
              "length of the linear rise of the learning rate after each growth"},
        c.progressive.rewarm...);
  // A resumed run needs its source no more, so the folder may have moved.
  visit(Field{"progressive", "source", Effect::kNone,
              "folder of a trained model that the run begins from; empty: none"},
        c.progressive.source...);
  visit(Field{"progressive", "source_map", Effect::kResult,
              "how the source grows: fpi keeps its function, aki takes from the layer above, ligo "
              "learns"},
        c.progressive.source_map...);
  visit(Field{"progressive", "source_steps", Effect::kResult, "in which ligo learns its map"},
        c.progressive.source_steps...);
  visit(Field{"progressive", "charge_source", Effect::kResult,
              "whether the source's training counts as the run's"},
        c.progressive.charge_source...);
}

template <class Visitor, class... Configs>
void visit_eval_fields(Visitor&& visit, Configs&... c) {
  visit(Field{"eval", "every", Effect::kNone, "\"0 steps\": only at the end"}, c.eval.every...);
  visit(Field{"eval", "depths", Effect::kNone, "the stage's layers, the full depth, or both"},
        c.eval.depths...);
  visit(Field{"eval", "batch_size", Effect::kNone, "0: train.micro_batch_size"},
        c.eval.batch_size...);
  visit(Field{"eval", "max_tokens", Effect::kResult, "of the validation data; 0: all"},
        c.eval.max_tokens...);
}

template <class Visitor, class... Configs>
void visit_checkpoint_fields(Visitor&& visit, Configs&... c) {
  visit(Field{"checkpoint", "every", Effect::kNone, "\"0 steps\": only at the end"},
        c.checkpoint.every...);
  visit(Field{"checkpoint", "keep", Effect::kNone, "how many checkpoints stay"},
        c.checkpoint.keep...);
}

// visit(field, value...) for every field of the configs, in the order of the file.
template <class Visitor, class... Configs>
requires(std::same_as<std::remove_const_t<Configs>, RunConfig>&&...) void visit_fields(
    Visitor&& visit, Configs&... configs) {
  visit_run_fields(visit, configs...);
  visit_data_fields(visit, configs...);
  visit_model_fields(visit, configs...);
  visit_train_fields(visit, configs...);
  visit_progressive_fields(visit, configs...);
  visit_eval_fields(visit, configs...);
  visit_checkpoint_fields(visit, configs...);
}

// A value as TOML writes it; equal values give equal text, different ones different text.
std::string toml_text(const std::string& value);
std::string toml_text(int64_t value);
std::string toml_text(uint64_t value);
std::string toml_text(double value);
std::string toml_text(const Duration& value);
std::string toml_text(const StageSpec& value);
template <std::same_as<bool> T>  // a plain parameter would also take pointers
std::string toml_text(T value) {
  return value ? "true" : "false";
}
// Nothing: "auto".
template <std::same_as<std::optional<bool>> T>
std::string toml_text(const T& value) {
  return value ? toml_text(*value) : "\"auto\"";
}
template <NamedEnum E>
std::string toml_text(E value) {
  return toml_text(std::string(enum_name(value)));
}
template <class T>
std::string toml_text(const std::vector<T>& values) {
  std::string text;
  for (const T& value : values) {
    text += fmt::format("{}{}", text.empty() ? "" : ", ", toml_text(value));
  }
  return fmt::format("[{}]", text);
}

// Paths of all keys ("run.name"), in the order of the file.
const std::vector<std::string>& field_paths();

// All keys with defaults, choices and help: `apollo train --help-config`.
std::string config_reference();

}  // namespace apollo
