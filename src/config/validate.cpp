// Checks that need neither data nor a device, grouped by section.
#include "config/validate.h"

#include <cmath>

#include "arch/architecture.h"
#include "arch/size_limits.h"
#include "base/duration.h"
#include "config/enum_names.h"
#include "config/value_names.h"

namespace apollo {

namespace {

// Per step, because its passes are planned one by one.
constexpr int64_t kMaxSequences = int64_t{1} << 20;

class Checker {
 public:
  explicit Checker(const ResolvedConfig& resolved) : resolved_(resolved) {}

  // Adds a fault for the first of `paths` that was set, unless `holds` is true or one is
  // unreadable.
  void require(bool holds, std::vector<std::string> paths, const std::string& message,
               const std::string& hint = "") {
    if (holds) return;
    std::string where = paths.front();
    for (const std::string& path : paths) {
      if (resolved_.unreadable.contains(path)) return;
    }
    for (const std::string& path : paths) {
      if (!resolved_.is_set(path)) continue;
      where = location(resolved_, path);
      break;
    }
    faults_.push_back({where, message, hint});
  }

  template <class T>
  void at_least(const std::string& path, T value, T smallest) {
    require(value >= smallest, {path},
            fmt::format("{} must be at least {} (got {})", path, smallest, value));
  }

  void at_most(const std::string& path, int64_t value, int64_t largest) {
    require(value <= largest, {path},
            fmt::format("{} must be at most {} (got {})", path, largest, value));
  }

  void positive(const std::string& path, double value) {
    require(value > 0.0, {path}, fmt::format("{} must be positive (got {})", path, value));
  }

  // [0, 1)
  void fraction(const std::string& path, double value) {
    require(value >= 0.0 && value < 1.0, {path},
            fmt::format("{} must be at least 0 and below 1 (got {})", path, value));
  }

  std::vector<Diagnostic> take() { return std::move(faults_); }

 private:
  const ResolvedConfig& resolved_;
  std::vector<Diagnostic> faults_;
};

void check_run(const RunConfig::Run& run, Checker& check) {
  const bool is_folder_name = !run.name.empty() && run.name != "." && run.name != ".." &&
                              run.name.find('/') == std::string::npos;
  check.require(is_folder_name, {"run.name"},
                fmt::format("run.name must be the name of a folder (got '{}')", run.name),
                "--out places the run elsewhere");
  check.require(
      parse_device_name(run.device).has_value(), {"run.device"},
      fmt::format("run.device must be 'auto', 'cpu', 'cuda' or 'cuda:N' (got '{}')", run.device));
  check.at_least<int64_t>("run.threads", run.threads, 0);
  check.at_most("run.threads", run.threads, 4096);
  check.require(seconds_of(run.rank_timeout).value_or(0.0) >= 1.0, {"run.rank_timeout"},
                fmt::format("run.rank_timeout must be a time of a second at least (got '{}')",
                            to_string(run.rank_timeout)),
                "for example \"5 minutes\"");
}

bool trains_bpe(const std::string& tokenizer) {
  const auto trained = parse_trained_tokenizer(tokenizer);
  return trained && trained->kind == TrainedTokenizer::Kind::kBpe;
}

void check_tokenizer(const std::string& tokenizer, Checker& check) {
  if (!asks_for_training(tokenizer)) return;
  const auto trained = parse_trained_tokenizer(tokenizer);
  check.require(trained.has_value(), {"data.tokenizer"},
                fmt::format("data.tokenizer must be a folder, 'train:bpe:SIZE', "
                            "'train:wordpiece:SIZE', 'train:wordpiece-cased:SIZE', 'bytes' or "
                            "empty (got '{}')",
                            tokenizer),
                "for example \"train:bpe:8192\"");
  if (!trained) return;
  check.require(trained->vocab_size <= SizeLimits::kVocabSize, {"data.tokenizer"},
                fmt::format("data.tokenizer: a vocabulary has at most {} entries (got {})",
                            SizeLimits::kVocabSize, trained->vocab_size));
  // The smallest possible WordPiece vocabulary depends on the characters of the text.
  if (!trained || trained->kind != TrainedTokenizer::Kind::kBpe) return;
  check.require(trained->vocab_size >= 257, {"data.tokenizer"},
                fmt::format("a byte-level vocabulary has at least 257 entries (got {})",
                            trained->vocab_size));
}

void check_data(const RunConfig::Data& data, Checker& check) {
  check.require(!data.train.empty(), {"data.train"}, "data.train names no text",
                "for example train = [\"text/*.txt\"]");
  check.fraction("data.valid_fraction", data.valid_fraction);
  check.require(data.valid.empty() || data.valid_fraction == 0.0,
                {"data.valid_fraction", "data.valid"},
                "data.valid and data.valid_fraction exclude each other", "remove one of them");
  const bool has_valid = !data.valid.empty() || data.valid_fraction > 0.0;
  check.require(data.test.empty() || has_valid, {"data.test", "data.valid"},
                "data.test is read once, by the final model, and the run needs validation data "
                "for all that is decided before",
                "data.valid_fraction = 0.01");
  check.require(!data.text_field.empty(), {"data.text_field"}, "data.text_field is empty",
                "the field of JSON lines that holds the text");
  check_tokenizer(data.tokenizer, check);
  check.require(
      data.pretokenizer == RunConfig::Data().pretokenizer || trains_bpe(data.tokenizer),
      {"data.pretokenizer", "data.tokenizer"},
      fmt::format("data.pretokenizer is for a tokenizer that is trained here as byte-level "
                  "BPE (got '{}' with data.tokenizer = '{}')",
                  enum_name(data.pretokenizer), data.tokenizer),
      "data.tokenizer = \"train:bpe:8192\", or leave data.pretokenizer out");
}

void check_model(const RunConfig::Model& model, Checker& check) {
  check.require(model.size.empty() || parse_parameters(model.size).has_value(), {"model.size"},
                fmt::format("model.size must be a number of parameters up to 1000B, with k, M or B "
                            "for thousands, millions and billions (got '{}')",
                            model.size),
                "for example model.size = \"11M\"");
  check.at_least<int64_t>("model.layers", model.layers, 1);
  check.at_least<int64_t>("model.width", model.width, 1);
  check.at_least<int64_t>("model.heads", model.heads, 1);
  check.at_least<int64_t>("model.context", model.context, 1);
  check.at_least<int64_t>("model.vocab_size", model.vocab_size, 0);
  check.at_most("model.layers", model.layers, SizeLimits::kLayers);
  check.at_most("model.width", model.width, SizeLimits::kWidth);
  check.at_most("model.heads", model.heads, SizeLimits::kWidth);
  check.at_most("model.kv_heads", model.kv_heads, SizeLimits::kWidth);
  check.at_most("model.head_dim", model.head_dim, SizeLimits::kWidth);
  check.at_most("model.inner_width", model.inner_width, SizeLimits::kWidth);
  check.at_most("model.context", model.context, SizeLimits::kContext);
  check.at_most("model.vocab_size", model.vocab_size, SizeLimits::kVocabSize);
  if (model.width > 0 && model.heads > 0 && model.head_dim == 0) {
    check.require(model.width % model.heads == 0, {"model.heads", "model.width"},
                  fmt::format("model.heads must divide model.width (got {} heads, width {})",
                              model.heads, model.width));
  }
  check.at_least<int64_t>("model.kv_heads", model.kv_heads, 0);
  check.at_least<int64_t>("model.head_dim", model.head_dim, 0);
  check.at_least<int64_t>("model.inner_width", model.inner_width, 0);
  check.at_least("model.rope_theta", model.rope_theta, 0.0);
  check.at_least("model.local_rope_theta", model.local_rope_theta, 0.0);
  check.at_least<int64_t>("model.global_attn_every_n_layers", model.global_attn_every_n_layers, 0);
  check.require(
      model.local_attention == 0 || model.local_attention >= 2, {"model.local_attention"},
      fmt::format("model.local_attention must be 0 or at least 2 (got {})", model.local_attention));
  check.at_most("model.local_attention", model.local_attention, 2 * SizeLimits::kContext);
  check.at_most("model.global_attn_every_n_layers", model.global_attn_every_n_layers,
                SizeLimits::kLayers);
  check.at_least("model.norm_epsilon", model.norm_epsilon, 0.0);
  check.fraction("model.dropout", model.dropout);
  check.positive("model.init_std", model.init_std);
}

// Checks keys of [model] that only some architectures have. Their default values pass, so that the
// resolved config is valid too.
void check_architecture_keys(const ResolvedConfig& resolved, Checker& check) {
  if (resolved.unreadable.contains("model.architecture")) return;
  const RunConfig::Model& model = resolved.config.model;
  const ArchitectureInfo& architecture = describe(model.architecture);
  const auto refuse = [&](bool is_default, const std::string& path, const char* why,
                          const char* others) {
    check.require(
        is_default, {path},
        fmt::format("{} is no key of architecture '{}', {}", path, architecture.name, why),
        fmt::format("remove it, or set model.architecture = {}", others));
  };
  constexpr const char* kRotaryDecoders = "\"llama\" or \"qwen3\"";
  if (!architecture.groups_queries) {
    refuse(model.kv_heads == 0, "model.kv_heads", "where every head has its own keys and values",
           kRotaryDecoders);
    refuse(model.head_dim == 0, "model.head_dim", "whose heads divide the width", kRotaryDecoders);
  }
  if (architecture.rope_theta == 0.0) {
    refuse(model.rope_theta == 0.0, "model.rope_theta", "which learns its positions",
           kRotaryDecoders);
  }
  if (!architecture.may_untie) {
    refuse(model.tie_embeddings.value_or(architecture.tied) == architecture.tied,
           "model.tie_embeddings", "whose output layer always has the embedding's weights",
           kRotaryDecoders);
  }
  if (architecture.local.window == 0) {
    constexpr const char* kWhy = "whose blocks all see the whole sequence";
    refuse(model.local_attention == 0, "model.local_attention", kWhy, "\"modernbert\"");
    refuse(model.global_attn_every_n_layers == 0, "model.global_attn_every_n_layers", kWhy,
           "\"modernbert\"");
    refuse(model.local_rope_theta == 0.0, "model.local_rope_theta", kWhy, "\"modernbert\"");
  }
  if (model.kv_heads > 0 && model.heads > 0 && architecture.groups_queries) {
    check.require(model.heads % model.kv_heads == 0, {"model.kv_heads", "model.heads"},
                  fmt::format("model.kv_heads must divide model.heads (got {} of {} heads)",
                              model.kv_heads, model.heads));
  }
  const bool whole = model.heads > 0 && model.width > 0 && model.width % model.heads == 0;
  if (architecture.rope_theta > 0.0 && (model.head_dim > 0 || whole)) {
    const int64_t head_dim = model.head_dim > 0 ? model.head_dim : model.width / model.heads;
    check.require(head_dim % 2 == 0, {"model.head_dim", "model.heads", "model.width"},
                  fmt::format("the width of a head must be even, since rotation takes pairs (got "
                              "{}{})",
                              head_dim, model.head_dim > 0 ? "" : ", width / heads"),
                  architecture.groups_queries ? "set model.head_dim" : "set model.heads");
  }
}

// Checks what a sequence of a masked model consists of.
void check_masking(const ResolvedConfig& resolved, Checker& check) {
  const RunConfig::Data& data = resolved.config.data;
  const int64_t context = resolved.config.model.context;
  check.require(data.masked_fraction > 0.0 && data.masked_fraction < 1.0, {"data.masked_fraction"},
                fmt::format("data.masked_fraction must be above 0 and below 1 (got {})",
                            data.masked_fraction));
  check.require(context < 1 || context >= 3, {"model.context", "model.architecture"},
                fmt::format("model.context must be at least 3 for '{}' (got {})",
                            enum_name(resolved.config.model.architecture), context),
                "[CLS] and [SEP] take two of its tokens");
  const bool has_no_mask = data.tokenizer.empty() || data.tokenizer == "bytes";
  check.require(!has_no_mask, {"data.tokenizer", "model.architecture"},
                fmt::format("data.tokenizer must be one with a [MASK] for '{}' (got '{}'{})",
                            enum_name(resolved.config.model.architecture), data.tokenizer,
                            resolved.is_set("data.tokenizer") ? "" : ", the default"),
                "for example \"train:wordpiece:8192\", \"train:bpe:8192\" or the folder of a BERT");
}

// Masking keys pass at their default values, so that the resolved config is valid too.
void check_no_masking(const RunConfig::Data& data, Checker& check) {
  const RunConfig::Data defaults;
  const auto refuse = [&](bool is_default, const char* path) {
    check.require(
        is_default, {path},
        fmt::format("{} is for architectures 'bert' and 'modernbert', which mask tokens", path),
        "remove it, or set model.architecture = \"bert\" or \"modernbert\"");
  };
  refuse(data.masked_fraction == defaults.masked_fraction, "data.masked_fraction");
  refuse(data.mask_whole_words == defaults.mask_whole_words, "data.mask_whole_words");
}

void check_objective(const ResolvedConfig& resolved, Checker& check) {
  if (resolved.unreadable.contains("model.architecture")) return;
  switch (objective_of(resolved.config.model.architecture)) {
    case Objective::kCausal:
      return check_no_masking(resolved.config.data, check);
    case Objective::kMasked:
      return check_masking(resolved, check);
  }
}

void check_lengths(const RunConfig::Train& train, Checker& check) {
  const auto share = [](const Duration& length) { return is_share(length) ? length.value : 0.0; };
  check.require(
      share(train.warmup) <= 100.0, {"train.warmup"},
      fmt::format("train.warmup is longer than the run (got '{}')", to_string(train.warmup)));
  if (train.lr_schedule != LrSchedule::kWsd) return;
  check.require(
      share(train.decay) <= 100.0, {"train.decay"},
      fmt::format("train.decay is longer than the run (got '{}')", to_string(train.decay)));
  check.require(share(train.warmup) > 100.0 || share(train.decay) > 100.0 ||
                    share(train.warmup) + share(train.decay) <= 100.0,
                {"train.decay", "train.warmup"},
                fmt::format("train.warmup and train.decay overlap (got '{}' and '{}')",
                            to_string(train.warmup), to_string(train.decay)));
}

// A matrix with one row has only one direction, so Muon would only set its length.
void check_optimizer(const RunConfig& config, Checker& check) {
  if (config.train.optimizer != OptimizerKind::kMuon || config.model.width < 1) return;
  check.require(config.model.width >= 2, {"train.optimizer", "model.width"},
                fmt::format("train.optimizer 'muon' needs a model.width of at least 2 (got {})",
                            config.model.width),
                "train.optimizer = \"adamw\" takes any");
}

void check_train(const RunConfig::Train& train, Checker& check) {
  check.at_least<int64_t>("train.batch_size", train.batch_size, 1);
  check.at_least<int64_t>("train.micro_batch_size", train.micro_batch_size, 0);
  check.at_most("train.batch_size", train.batch_size, kMaxSequences);
  check.require(train.batch_size < 1 || train.micro_batch_size <= train.batch_size,
                {"train.micro_batch_size", "train.batch_size"},
                fmt::format("train.micro_batch_size cannot exceed train.batch_size (got {} of {})",
                            train.micro_batch_size, train.batch_size));
  check.positive("train.lr", train.lr);
  check.require(
      train.lr_final >= 0.0 && train.lr_final <= 1.0, {"train.lr_final"},
      fmt::format("train.lr_final is a fraction of train.lr, 0 to 1 (got {})", train.lr_final));
  check_lengths(train, check);
  check.at_least("train.weight_decay", train.weight_decay, 0.0);
  check.require(train.betas.size() == 2, {"train.betas"},
                fmt::format("train.betas must be two numbers (got {})", train.betas.size()),
                "for example betas = [0.9, 0.95]");
  for (size_t i = 0; i < train.betas.size(); ++i) {
    check.require(
        train.betas[i] >= 0.0 && train.betas[i] < 1.0, {"train.betas"},
        fmt::format("train.betas[{}] must be at least 0 and below 1 (got {})", i, train.betas[i]));
  }
  check.positive("train.epsilon", train.epsilon);
  check.at_least("train.clip", train.clip, 0.0);
  check.at_least<int64_t>("train.early_stopping", train.early_stopping, 0);
}

void check_progressive(const RunConfig::Progressive& keys, Checker& check) {
  check.fraction("progressive.rehearse_from", keys.rehearse_from);
  check.at_least<int64_t>("progressive.stratify", keys.stratify, 0);
  check.at_least<int64_t>("progressive.source_steps", keys.source_steps, 1);
  check.at_most("progressive.stratify", keys.stratify, kMaxSequences);
  check.at_most("progressive.source_steps", keys.source_steps, 1'000'000'000);
  const double rewarm = is_share(keys.rewarm) ? keys.rewarm.value : 0.0;
  check.require(
      rewarm <= 100.0, {"progressive.rewarm"},
      fmt::format("progressive.rewarm is longer than the run (got '{}')", to_string(keys.rewarm)));
}

void check_eval(const RunConfig& config, Checker& check) {
  check.require(!config.eval.depths.empty(), {"eval.depths"}, "eval.depths names no depth",
                "for example depths = [\"stage\", \"full\"]");
  check.fraction("eval.max_cost", config.eval.max_cost);
  check.at_least<int64_t>("eval.batch_size", config.eval.batch_size, 0);
  check.at_least<int64_t>("eval.max_tokens", config.eval.max_tokens, 0);
  check.at_most("eval.batch_size", config.eval.batch_size, kMaxSequences);
  check.at_least<int64_t>("eval.sample_tokens", config.eval.sample_tokens, 1);
  check.require(
      config.eval.sample.empty() || objective_of(config.model.architecture) == Objective::kCausal,
      {"eval.sample", "model.architecture"},
      fmt::format("eval.sample: a masked model ({}) fills gaps and does not write on",
                  enum_name(config.model.architecture)),
      "leave eval.sample out, or train a causal model");
  check.require(config.train.early_stopping <= 0 || !config.data.valid.empty() ||
                    config.data.valid_fraction > 0.0,
                {"train.early_stopping", "data.valid"},
                "train.early_stopping waits for a validation loss, and there is no validation data",
                "data.valid, or data.valid_fraction = 0.01");
}

}  // namespace

std::vector<Diagnostic> validate(const ResolvedConfig& resolved) {
  Checker check(resolved);
  check_run(resolved.config.run, check);
  check_data(resolved.config.data, check);
  check_model(resolved.config.model, check);
  check_architecture_keys(resolved, check);
  check_objective(resolved, check);
  check_train(resolved.config.train, check);
  check_optimizer(resolved.config, check);
  check_progressive(resolved.config.progressive, check);
  check_eval(resolved.config, check);
  check.at_least<int64_t>("checkpoint.keep", resolved.config.checkpoint.keep, 1);
  return check.take();
}

}  // namespace apollo
