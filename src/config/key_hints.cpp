#include "config/key_hints.h"

#include <algorithm>
#include <utility>

namespace apollo {
namespace {

using Names = std::pair<std::string_view, std::string_view>;

constexpr Names kOwnKeys[] = {
    {"adam_beta1", "train.betas"},
    {"adam_beta2", "train.betas"},
    {"adam_epsilon", "train.epsilon"},
    {"beta1", "train.betas"},
    {"beta2", "train.betas"},
    {"block_size", "model.context"},
    {"bs", "train.batch_size"},
    {"context_length", "model.context"},
    {"d_model", "model.width"},
    {"dtype", "train.precision"},
    {"eval_interval", "eval.every"},
    {"eval_steps", "eval.every"},
    {"ffn_dim", "model.inner_width"},
    {"global_rope_theta", "model.rope_theta"},
    {"grad_clip", "train.clip"},
    {"gradient_accumulation_steps", "train.micro_batch_size"},
    {"hidden_dropout_prob", "model.dropout"},
    {"hidden_size", "model.width"},
    {"initializer_range", "model.init_std"},
    {"intermediate_size", "model.inner_width"},
    {"layer_norm_epsilon", "model.norm_epsilon"},
    {"learning_rate", "train.lr"},
    {"lr_decay_iters", "train.duration"},
    {"lr_scheduler_type", "train.lr_schedule"},
    {"max_grad_norm", "train.clip"},
    {"max_iters", "train.duration"},
    {"max_position_embeddings", "model.context"},
    {"max_seq_length", "model.context"},
    {"max_steps", "train.duration"},
    {"min_lr", "train.lr_final"},
    {"mlm_probability", "data.masked_fraction"},
    {"model_type", "model.architecture"},
    {"n_ctx", "model.context"},
    {"n_embd", "model.width"},
    {"n_head", "model.heads"},
    {"n_layer", "model.layers"},
    {"n_inner", "model.inner_width"},
    {"n_kv_heads", "model.kv_heads"},
    {"n_layers", "model.layers"},
    {"n_positions", "model.context"},
    {"norm_eps", "model.norm_epsilon"},
    {"num_attention_heads", "model.heads"},
    {"num_epochs", "train.duration"},
    {"num_heads", "model.heads"},
    {"num_hidden_layers", "model.layers"},
    {"num_key_value_heads", "model.kv_heads"},
    {"num_layers", "model.layers"},
    {"num_train_epochs", "train.duration"},
    {"optim", "train.optimizer"},
    {"output_dir", "run.name"},
    {"per_device_train_batch_size", "train.micro_batch_size"},
    {"resid_pdrop", "model.dropout"},
    {"rms_norm_eps", "model.norm_epsilon"},
    {"save_steps", "checkpoint.every"},
    {"save_total_limit", "checkpoint.keep"},
    {"seq_len", "model.context"},
    {"seq_length", "model.context"},
    {"sequence_length", "model.context"},
    {"sliding_window", "model.local_attention"},
    {"tie_word_embeddings", "model.tie_embeddings"},
    {"train_data", "data.train"},
    {"train_file", "data.train"},
    {"validation_file", "data.valid"},
    {"warmup_iters", "train.warmup"},
    {"warmup_ratio", "train.warmup"},
    {"warmup_steps", "train.warmup"},
    {"wd", "train.weight_decay"},
};

// Keys that have a new name.
constexpr Names kRenamed[] = {
    {"progressive.source", "model.from"},
};

// Removed keys, with what docs/results/ideas.md found each of them to do.
constexpr Names kRemoved[] = {
    {"progressive.grow_when", "growth when the model is ready saved no more than fixed stages"},
    {"progressive.probe_every", "it belonged to grow_when, which saved no more than fixed stages"},
    {"progressive.growth_noise", "noise on the copies saved nothing"},
    {"progressive.optimizer_state=transport_scaled",
     "moments scaled by their use saved no more than transported ones"},
    {"progressive.shared_gradient_power", "divided gradients of shared layers saved nothing"},
    {"progressive.trial_maps", "it belonged to trial_steps, which cost more than they saved"},
    {"progressive.trial_steps", "trials of layer maps cost more than they saved"},
};

std::string_view find(const auto& table, std::string_view name) {
  const auto* found = std::find_if(std::begin(table), std::end(table),
                                   [&](const Names& names) { return names.first == name; });
  return found == std::end(table) ? std::string_view() : found->second;
}

}  // namespace

std::string_view own_key_for(std::string_view name) {
  return find(kOwnKeys, name);
}

std::optional<std::string> removal_of(std::string_view path) {
  if (const std::string_view now = find(kRenamed, path); !now.empty())
    return "its name is " + std::string(now) + " now";
  const std::string_view reason = find(kRemoved, path);
  if (reason.empty()) return std::nullopt;
  return std::string(reason) + " (docs/results/ideas.md); leave the key out";
}

}  // namespace apollo
