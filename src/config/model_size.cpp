#include "config/model_size.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>

#include "arch/counts.h"
#include "arch/size_limits.h"
#include "base/units.h"
#include "config/objective.h"
#include "config/value_names.h"
#include "text/tokenizer.h"

namespace apollo {
namespace {

constexpr int64_t kSmallestWidth = 32;
constexpr int64_t kFewestLayers = 2;
constexpr int64_t kHeadWidth = 64;
constexpr double kNear = 0.03;        // within it depth decides, and not the size
constexpr double kMostStretch = 2.0;  // of the depth that belongs to a width

int64_t width_step(int64_t width) {
  int64_t power = kSmallestWidth;
  while (2 * power <= width)
    power *= 2;
  return power / 8;
}

double usual_layers(int64_t width) {
  const auto w = static_cast<double>(width);
  return width <= 384 ? w / 32.0 : std::max(12.0, w / 64.0);
}

bool is_good_depth(int64_t layers) {
  return layers <= 10 || layers % 4 == 0 || layers % 6 == 0;
}

// Returns the divisor of `width` that is a multiple of `kv_heads` and makes a head's width nearest
// to 64, of those that are multiples of 8 if there is one; 1 if nothing fits.
int64_t usual_heads(int64_t width, int64_t kv_heads) {
  for (const int64_t multiple : {8, 4, 2, 1}) {
    int64_t best = 0;
    const auto distance = [&](int64_t heads) { return std::abs(width / heads - kHeadWidth); };
    for (int64_t heads = kv_heads; heads <= width; heads += kv_heads) {
      if (width % (heads * multiple) != 0) continue;
      if (best == 0 || distance(heads) < distance(best)) best = heads;
    }
    if (best > 0) return best;
  }
  return 1;
}

int64_t heads_of(const RunConfig::Model& model, int64_t width, const GivenSizes& given) {
  if (given.heads) return *given.heads;
  const int64_t kv_heads = std::max<int64_t>(1, model.kv_heads);
  if (model.head_dim == 0) return usual_heads(width, kv_heads);
  const int64_t groups =
      std::llround(static_cast<double>(width) / static_cast<double>(model.head_dim * kv_heads));
  return kv_heads * std::max<int64_t>(1, groups);
}

int64_t next_width(const RunConfig::Model& model, int64_t width, const GivenSizes& given) {
  // Heads that are given divide the width, into parts that are multiples of 8.
  if (given.heads && model.head_dim == 0) return width + 8 * *given.heads;
  return width + width_step(width);
}

int64_t first_width(const RunConfig::Model& model, const GivenSizes& given) {
  if (given.width) return *given.width;
  return given.heads && model.head_dim == 0 ? 8 * *given.heads : kSmallestWidth;
}

// The best model so far, by the rules in the head of model_size.h.
class Choice {
 public:
  explicit Choice(double parameters) : parameters_(parameters) {}

  // `stretch`: of the depth, as a factor of the usual one or its inverse.
  void offer(const ModelSizes& sizes, double stretch) {
    const double off = std::abs(std::log(static_cast<double>(sizes.parameters) / parameters_));
    const bool is_near = off <= kNear;
    if (found_) {
      if (is_near_ && !is_near) return;
      const bool is_usual = stretch < stretch_ || (stretch == stretch_ && off < off_);
      if (is_near_ && is_near && !is_usual) return;
      if (!is_near_ && !is_near && off >= off_) return;
    }
    found_ = true;
    best_ = sizes;
    is_near_ = is_near;
    off_ = off;
    stretch_ = stretch;
  }

  const ModelSizes& best() const { return best_; }

 private:
  double parameters_;
  ModelSizes best_;
  bool found_ = false;
  bool is_near_ = false;
  double off_ = 0.0;
  double stretch_ = 0.0;
};

// Offers the models of one width.
void offer_depths(const RunConfig& config, int64_t vocab_size, int64_t width,
                  const GivenSizes& given, double parameters, Choice& choice) {
  RunConfig sized = config;
  sized.model.width = width;
  sized.model.heads = heads_of(config.model, width, given);
  const ModelShape shape = model_shape(sized, vocab_size);
  const int64_t outside = num_parameters(shape, 0);
  const int64_t layer = num_layer_parameters(shape);
  const auto offer = [&](int64_t layers, double stretch) {
    choice.offer({layers, width, sized.model.heads, outside + layers * layer}, stretch);
  };
  if (given.layers) return offer(*given.layers, 1.0);
  if (given.width) {
    const double layers = (parameters - static_cast<double>(outside)) / static_cast<double>(layer);
    const auto most = static_cast<double>(SizeLimits::kLayers - 1);
    const auto below = static_cast<int64_t>(std::clamp(std::floor(layers), 1.0, most));
    offer(below, 1.0);
    return offer(below + 1, 1.0);
  }
  const double usual = usual_layers(width);
  const auto most = std::max(kFewestLayers, static_cast<int64_t>(kMostStretch * usual));
  for (int64_t layers = kFewestLayers; layers <= most; ++layers) {
    const double ratio = static_cast<double>(layers) / usual;
    const double stretch = std::max(ratio, 1.0 / ratio);
    if (is_good_depth(layers) && stretch <= kMostStretch) offer(layers, stretch);
  }
}

std::string vocabulary_hint() {
  return "model.vocab_size = N, or a tokenizer that is there";
}

// Returns the vocabulary that the config states, or adds a fault.
std::optional<int64_t> stated_vocab_size(const ResolvedConfig& resolved,
                                         std::vector<Diagnostic>& faults) {
  const RunConfig& config = resolved.config;
  const std::string& tokenizer = config.data.tokenizer;
  if (config.model.vocab_size > 0) return config.model.vocab_size;
  if (asks_for_training(tokenizer)) {
    const auto trained = parse_trained_tokenizer(tokenizer);
    return trained ? std::optional(trained->vocab_size) : std::nullopt;
  }
  if (tokenizer.empty()) {
    faults.push_back({location(resolved, "model.size"),
                      "model.size needs the size of the vocabulary, and data.tokenizer is empty",
                      vocabulary_hint()});
    return std::nullopt;
  }
  const std::string folder = (resolved.base_dir / tokenizer).lexically_normal().string();
  try {
    return load_tokenizer(tokenizer == "bytes" ? tokenizer : folder)->vocab_size();
  } catch (const Error& error) {
    faults.push_back({location(resolved, "model.size"),
                      fmt::format("model.size needs the size of the vocabulary, and the tokenizer "
                                  "cannot be read: {}",
                                  error.what()),
                      vocabulary_hint()});
    return std::nullopt;
  }
}

// Whether keys that the rules read have values for which there is a model.
bool has_sound_sizes(const ResolvedConfig& resolved) {
  const RunConfig::Model& model = resolved.config.model;
  for (const char* key :
       {"model.size", "model.architecture", "model.layers", "model.width", "model.heads",
        "model.context", "model.vocab_size", "model.kv_heads", "model.head_dim",
        "model.inner_width", "model.tie_embeddings", "data.tokenizer"}) {
    if (resolved.unreadable.contains(key)) return false;
  }
  const auto within = [](int64_t value, int64_t least, int64_t most) {
    return value >= least && value <= most;
  };
  return within(model.layers, 1, SizeLimits::kLayers) &&
         within(model.width, 1, SizeLimits::kWidth) && within(model.heads, 1, SizeLimits::kWidth) &&
         within(model.context, 1, SizeLimits::kContext) &&
         within(model.vocab_size, 0, SizeLimits::kVocabSize) &&
         within(model.kv_heads, 0, SizeLimits::kWidth) &&
         within(model.head_dim, 0, SizeLimits::kWidth) &&
         within(model.inner_width, 0, SizeLimits::kWidth);
}

// What to say where no model is near enough.
Diagnostic too_far(const ResolvedConfig& resolved, const ModelSizes& sizes, int64_t vocab_size) {
  std::vector<std::string> fixed;
  for (const char* key : {"model.layers", "model.width", "model.heads"}) {
    if (resolved.is_set(key)) fixed.emplace_back(key);
  }
  const bool is_full = resolved.is_set("model.layers") && resolved.is_set("model.width");
  const std::string found = format_count(static_cast<double>(sizes.parameters));
  const std::string model =
      fmt::format("{} layers of width {} with a vocabulary of {} have {} parameters", sizes.layers,
                  sizes.width, vocab_size, found);
  const std::string asked = resolved.config.model.size;
  if (is_full) {
    return {location(resolved, "model.size"),
            fmt::format("model.size leaves nothing to choose: {} are set, and {} (got '{}')",
                        fmt::join(fixed, ", "), model, asked),
            "remove model.size, or one of the others"};
  }
  const std::string why =
      fixed.empty() ? "" : fmt::format(" with {} as set", fmt::join(fixed, ", "));
  return {location(resolved, "model.size"),
          fmt::format("no model of this size is possible{}; the nearest: {} (got '{}')", why, model,
                      asked),
          fmt::format("model.size = \"{}\"{}", found,
                      fixed.empty() ? ", or a smaller vocabulary" : ", or set fewer keys")};
}

}  // namespace

ModelSizes choose_sizes(const RunConfig& config, int64_t vocab_size, double parameters,
                        const GivenSizes& given) {
  Choice choice(parameters);
  int64_t width = first_width(config.model, given);
  while (true) {
    offer_depths(config, vocab_size, width, given, parameters, choice);
    // A single layer of this width is more than enough, and wider ones are further away.
    RunConfig least = config;
    least.model.width = width;
    least.model.heads = heads_of(config.model, width, given);
    const bool is_beyond =
        static_cast<double>(num_parameters(model_shape(least, vocab_size),
                                           given.layers.value_or(1))) > 2.0 * parameters;
    if (given.width || is_beyond) break;
    width = next_width(config.model, width, given);
    if (width > SizeLimits::kWidth) break;
  }
  return choice.best();
}

int64_t batch_size_for(double parameters, int64_t context) {
  const double tokens = std::max(2048.0, 4096.0 * std::sqrt(parameters / 1e6));
  const double power = std::exp2(std::round(std::log2(tokens)));
  return std::max<int64_t>(1, std::llround(power / static_cast<double>(context)));
}

double lr_for(int64_t width) {
  return 0.256 / static_cast<double>(width);
}

std::vector<Diagnostic> take_size(ResolvedConfig& resolved) {
  RunConfig& config = resolved.config;
  const std::optional<int64_t> asked = parse_parameters(config.model.size);
  if (!asked || !has_sound_sizes(resolved)) return {};
  if (!config.model.from.empty()) {
    return {{location(resolved, "model.size"),
             "model.size and model.from exclude each other: the model's sizes are those of the one "
             "that it begins with",
             "remove one of them"}};
  }
  std::vector<Diagnostic> faults;
  const std::optional<int64_t> vocab_size = stated_vocab_size(resolved, faults);
  if (!vocab_size) return faults;
  const auto given = [&](const char* key, int64_t value) {
    return resolved.is_set(key) ? std::optional(value) : std::nullopt;
  };
  const auto parameters = static_cast<double>(*asked);
  const ModelSizes sizes = choose_sizes(config, *vocab_size, parameters,
                                        {.layers = given("model.layers", config.model.layers),
                                         .width = given("model.width", config.model.width),
                                         .heads = given("model.heads", config.model.heads)});
  if (std::abs(static_cast<double>(sizes.parameters) - parameters) > kSizeTolerance * parameters)
    faults.push_back(too_far(resolved, sizes, *vocab_size));
  const auto take = [&](const char* key, auto& value, auto chosen) {
    if (resolved.is_set(key) || resolved.unreadable.contains(key)) return;
    value = chosen;
    resolved.origins[key] = "model.size";
  };
  take("model.layers", config.model.layers, sizes.layers);
  take("model.width", config.model.width, sizes.width);
  take("model.heads", config.model.heads, sizes.heads);
  take("train.batch_size", config.train.batch_size,
       batch_size_for(parameters, config.model.context));
  take("train.lr", config.train.lr, lr_for(config.model.width));
  return faults;
}

}  // namespace apollo
