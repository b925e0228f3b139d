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
  visit(Field{"run", "name", Effect::kNone,
              "name of the run; its folder is runs/NAME unless --out says otherwise"},
        c.run.name...);
  visit(Field{"run", "seed", Effect::kResult, "seed of every random number"}, c.run.seed...);
  visit(Field{"run", "device", Effect::kResult, "auto, cpu, cuda or cuda:N"}, c.run.device...);
  // Another number gives other last bits, of which a warning tells.
  visit(Field{"run", "threads", Effect::kNone, "threads on the CPU; 0: as many as it has cores"},
        c.run.threads...);
  visit(Field{"run", "kernels", Effect::kResult,
              "fused, or reference: plain operators only, for looking into a fault"},
        c.run.kernels...);
  visit(Field{"run", "matmul", Effect::kResult,
              "library that multiplies matrices on the CPU; auto measures which is faster"},
        c.run.matmul...);
  visit(Field{"run", "cuda_graphs", Effect::kNone,
              "on a GPU, record a pass once and launch it as a whole afterwards"},
        c.run.cuda_graphs...);
  visit(Field{"run", "rank_timeout", Effect::kNone,
              "with several processes: one that is not heard of for so long ends the run"},
        c.run.rank_timeout...);
  visit(Field{"run", "shard_optimizer", Effect::kNone,
              "with several processes: each keeps the moments of a part of the parameters only"},
        c.run.shard_optimizer...);
}

template <class Visitor, class... Configs>
void visit_data_fields(Visitor&& visit, Configs&... c) {
  visit(Field{"data", "train", Effect::kResult,
              "training text: files, folders, globs (** too) or prepared datasets"},
        c.data.train...);
  visit(Field{"data", "valid", Effect::kResult, "validation text, in the same forms"},
        c.data.valid...);
  visit(Field{"data", "test", Effect::kNone,
              "test text, in the same forms: read once, when the run is over"},
        c.data.test...);
  visit(Field{"data", "text_field", Effect::kResult,
              "field of JSON lines that holds the text of a document"},
        c.data.text_field...);
  visit(Field{"data", "valid_fraction", Effect::kResult,
              "share of the training text that is set apart where valid is empty"},
        c.data.valid_fraction...);
  visit(Field{"data", "tokenizer", Effect::kResult,
              "folder, train:bpe:SIZE, train:wordpiece:SIZE (lower case without accents), "
              "train:wordpiece-cased:SIZE, bytes, or empty for bare .bin"},
        c.data.tokenizer...);
  visit(Field{"data", "pretokenizer", Effect::kResult,
              "how train:bpe:SIZE cuts text into words: as gpt2 (and ModernBERT), llama3 or qwen"},
        c.data.pretokenizer...);
  visit(Field{"data", "masked_fraction", Effect::kResult,
              "masked models: share of the tokens that the model predicts, in (0, 1)"},
        c.data.masked_fraction...);
  visit(Field{"data", "mask_whole_words", Effect::kResult,
              "masked models: mask all tokens of a word, or none"},
        c.data.mask_whole_words...);
  visit(Field{"data", "separate_documents", Effect::kResult,
              "no attention between documents that share a sequence"},
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
  // A resumed run needs it no more, so the folder may have moved.
  visit(Field{"model", "from", Effect::kNone,
              "trained model that the run begins with: a Hugging Face folder or a run of Apollo's; "
              "what is left out here and data.tokenizer are that model's; empty: none"},
        c.model.from...);
  visit(Field{"model", "architecture", Effect::kResult, "what is trained"},
        c.model.architecture...);
  // The keys that it fills count.
  visit(Field{"model", "size", Effect::kNone,
              "parameters of the final model, as \"350k\", \"11M\" or \"1B\": sets layers, width, "
              "heads, train.batch_size and train.lr where you leave them out; empty: it does not"},
        c.model.size...);
  visit(Field{"model", "layers", Effect::kResult, "layers of the final model"}, c.model.layers...);
  visit(Field{"model", "width", Effect::kResult, "size of the hidden state"}, c.model.width...);
  visit(Field{"model", "heads", Effect::kResult,
              "attention heads; divides width where head_dim is 0"},
        c.model.heads...);
  visit(Field{"model", "kv_heads", Effect::kResult,
              "llama, qwen3: heads of keys and values, a divisor of heads; 0: as many"},
        c.model.kv_heads...);
  visit(Field{"model", "head_dim", Effect::kResult,
              "llama, qwen3: width of a head, even; 0: width / heads"},
        c.model.head_dim...);
  visit(
      Field{"model", "inner_width", Effect::kResult,
            "inside the MLP; 0: 4 * width; llama, qwen3: 8/3 of it, modernbert: 3/2, a multiple of "
            "16"},
      c.model.inner_width...);
  visit(Field{"model", "context", Effect::kResult, "tokens per sequence"}, c.model.context...);
  visit(Field{"model", "vocab_size", Effect::kResult,
              "entries of the embedding; 0: as many as the tokenizer has"},
        c.model.vocab_size...);
  visit(Field{"model", "rope_theta", Effect::kResult,
              "llama, qwen3, modernbert: base of the rotary positions; 0: 10000, for modernbert "
              "160000"},
        c.model.rope_theta...);
  visit(
      Field{"model", "local_attention", Effect::kResult,
            "modernbert: positions that one sees in a local block, half before it and half behind "
            "it; 0: 128"},
      c.model.local_attention...);
  visit(Field{"model", "global_attn_every_n_layers", Effect::kResult,
              "modernbert: the first block and then each n-th sees the whole sequence; 0: 3"},
        c.model.global_attn_every_n_layers...);
  visit(Field{"model", "local_rope_theta", Effect::kResult,
              "modernbert: base of the rotary positions in local blocks; 0: 10000"},
        c.model.local_rope_theta...);
  visit(Field{"model", "tie_embeddings", Effect::kResult,
              "llama, qwen3: whether the output layer has the embedding's weights; auto: for all "
              "but llama"},
        c.model.tie_embeddings...);
  visit(Field{"model", "norm_epsilon", Effect::kResult,
              "of the norms; 0: 1e-5 for gpt2 and modernbert, 1e-12 for bert, 1e-6 for llama and "
              "qwen3"},
        c.model.norm_epsilon...);
  visit(Field{"model", "dropout", Effect::kResult,
              "probability, in [0, 1); llama, qwen3: of attention weights only"},
        c.model.dropout...);
  visit(Field{"model", "init_std", Effect::kResult,
              "standard deviation of new weights; 0.02 suits a width near 768"},
        c.model.init_std...);
}

template <class Visitor, class... Configs>
void visit_train_fields(Visitor&& visit, Configs&... c) {
  visit(Field{"train", "duration", Effect::kResult,
              "length of the run in steps, tokens, tokens per parameter, epochs, flops or hours"},
        c.train.duration...);
  visit(Field{"train", "batch_size", Effect::kResult, "sequences per optimizer step"},
        c.train.batch_size...);
  visit(Field{"train", "micro_batch_size", Effect::kResult,
              "sequences per forward pass; 0: as many as memory allows"},
        c.train.micro_batch_size...);
  visit(Field{"train", "micro_batch_by_depth", Effect::kResult,
              "a shallow pass takes more sequences, up to the memory of the deepest one; "
              "micro_batch_size = 0 sets it"},
        c.train.micro_batch_by_depth...);
  visit(Field{"train", "optimizer", Effect::kResult,
              "muon: the matrices of the blocks by Muon, all else by AdamW, at one learning rate"},
        c.train.optimizer...);
  visit(Field{"train", "lr", Effect::kResult, "peak learning rate"}, c.train.lr...);
  visit(Field{"train", "lr_schedule", Effect::kResult, "how the learning rate decays"},
        c.train.lr_schedule...);
  visit(Field{"train", "lr_axis", Effect::kResult, "whether the schedule follows steps or FLOPs"},
        c.train.lr_axis...);
  visit(
      Field{"train", "lr_final", Effect::kResult, "learning rate at the end, as a fraction of lr"},
      c.train.lr_final...);
  visit(Field{"train", "warmup", Effect::kResult, "how long the learning rate rises at the start"},
        c.train.warmup...);
  visit(Field{"train", "decay", Effect::kResult,
              "how long the learning rate falls at the end, with wsd"},
        c.train.decay...);
  visit(Field{"train", "weight_decay", Effect::kResult, "weight decay; norms and biases have none"},
        c.train.weight_decay...);
  visit(Field{"train", "betas", Effect::kResult, "of AdamW"}, c.train.betas...);
  visit(Field{"train", "epsilon", Effect::kResult, "of AdamW"}, c.train.epsilon...);
  visit(Field{"train", "clip", Effect::kResult, "largest norm of the gradient; 0: no clipping"},
        c.train.clip...);
  // A run that it ended goes on with a larger one.
  visit(Field{"train", "early_stopping", Effect::kNone,
              "patience: the run ends after so many evaluations in a row, with all layers, that "
              "found no lower validation loss; 0: it does not"},
        c.train.early_stopping...);
  visit(
      Field{"train", "precision", Effect::kResult,
            "number format of matrix products and of activations that are kept for them; weights, "
            "moments and gradients are fp32; on a CPU, bf16 takes AVX512_BF16 or AMX"},
      c.train.precision...);
  visit(
      Field{"train", "recompute", Effect::kResult,
            "save memory: the backward pass computes blocks again, in all passes or only in those "
            "deeper than the stage"},
      c.train.recompute...);
}

// `method` itself has no effect: the keys that it fills do.
template <class Visitor, class... Configs>
void visit_progressive_fields(Visitor&& visit, Configs&... c) {
  visit(Field{"progressive", "method", Effect::kNone,
              "growth method; it fills the keys of this section that you leave out"},
        c.progressive.method...);
  visit(
      Field{"progressive", "stages", Effect::kResult,
            "stages in order: {layers = 3, until = \"10%\"}, the last without an end; with depth = "
            "2, each pass runs two of the layers at random"},
      c.progressive.stages...);
  visit(Field{"progressive", "layer_map", Effect::kResult,
              "which old layer each new layer is copied from"},
        c.progressive.layer_map...);
  visit(Field{"progressive", "new_layers", Effect::kResult,
              "what growth adds: copies, copies that pass their input on (identity: a GPT computes "
              "the same), or random layers"},
        c.progressive.new_layers...);
  visit(
      Field{"progressive", "trains", Effect::kResult,
            "new: a stage trains only the layers that growth added and the output head; the first "
            "and the last stage train everything"},
      c.progressive.trains...);
  visit(Field{"progressive", "depth_sampler", Effect::kResult,
              "how the depth of a pass is drawn; shallowest: it is the stage's layers"},
        c.progressive.depth_sampler...);
  visit(Field{"progressive", "depth_draw", Effect::kResult,
              "draw a depth for each step, or for each micro-batch"},
        c.progressive.depth_draw...);
  visit(Field{"progressive", "stratify", Effect::kResult,
              "spread this many draws in a row evenly over the law; 0: independent draws"},
        c.progressive.stratify...);
  visit(Field{"progressive", "rehearse_from", Effect::kResult,
              "draw depths only after this share of each stage, in [0, 1)"},
        c.progressive.rehearse_from...);
  visit(
      Field{"progressive", "optimizer_state", Effect::kResult,
            "whether growth carries the optimizer's moments to the new layers, keeps those of old "
            "layers, or resets all"},
      c.progressive.optimizer_state...);
  visit(Field{"progressive", "lr_depth_power", Effect::kResult,
              "p in (L/N)^p, by which a stage of N of L layers multiplies the learning rate"},
        c.progressive.lr_depth_power...);
  visit(Field{"progressive", "rewarm", Effect::kResult,
              "how long the learning rate rises again after each growth"},
        c.progressive.rewarm...);
  visit(Field{"progressive", "source_map", Effect::kResult,
              "how model.from becomes wider: fpi keeps its function, aki takes neurons from the "
              "layer above, ligo learns a map"},
        c.progressive.source_map...);
  visit(Field{"progressive", "source_steps", Effect::kResult, "steps in which ligo learns its map"},
        c.progressive.source_steps...);
  visit(Field{"progressive", "charge_source", Effect::kResult,
              "count the training of model.from as part of the run's cost"},
        c.progressive.charge_source...);
}

template <class Visitor, class... Configs>
void visit_eval_fields(Visitor&& visit, Configs&... c) {
  visit(Field{"eval", "every", Effect::kNone,
              "time between evaluations; \"0 steps\": only at the end"},
        c.eval.every...);
  visit(Field{"eval", "max_cost", Effect::kNone,
              "share of the training FLOPs that evaluation may cost: one that is due is left out "
              "while they have cost more; 0: no limit"},
        c.eval.max_cost...);
  visit(Field{"eval", "depths", Effect::kNone,
              "depths at which to evaluate: the stage's layers, all layers, or both"},
        c.eval.depths...);
  visit(Field{"eval", "batch_size", Effect::kNone, "sequences per pass; 0: train.micro_batch_size"},
        c.eval.batch_size...);
  visit(Field{"eval", "max_tokens", Effect::kResult,
              "tokens of an evaluation, in sequences spread over the validation data; 0: all"},
        c.eval.max_tokens...);
  visit(Field{"eval", "sample", Effect::kNone,
              "causal models: a prompt that the model continues at every evaluation; empty: none"},
        c.eval.sample...);
  visit(Field{"eval", "sample_tokens", Effect::kNone, "length of that continuation"},
        c.eval.sample_tokens...);
}

template <class Visitor, class... Configs>
void visit_checkpoint_fields(Visitor&& visit, Configs&... c) {
  visit(Field{"checkpoint", "every", Effect::kNone,
              "time between checkpoints; \"0 steps\": only at the end"},
        c.checkpoint.every...);
  visit(Field{"checkpoint", "keep", Effect::kNone, "how many of the latest checkpoints are kept"},
        c.checkpoint.keep...);
  visit(
      Field{"checkpoint", "best", Effect::kNone,
            "save whenever an evaluation with all layers finds the lowest validation loss so far, "
            "and keep that as checkpoints/best"},
      c.checkpoint.best...);
  visit(Field{"checkpoint", "at", Effect::kNone,
              "moments whose checkpoints stay as well, as revisions/NAME: [\"0 steps\", \"1M "
              "tokens\"]"},
        c.checkpoint.at...);
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

// `apollo train --help-config`: the ten keys that a first run needs, then all keys, each with its
// default, choices and help; those that hardly anyone has to set are marked.
std::string config_reference();

}  // namespace apollo
