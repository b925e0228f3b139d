#include "infer/generate.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "base/rng.h"
#include "base/stop_signal.h"
#include "infer/utf8_stream.h"

namespace apollo {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

// Computes the logits of the next token of a growing text, on the CPU.
class TextLogits {
 public:
  TextLogits(const LanguageModel& model, LayerMap blocks)
      : model_(model), blocks_(std::move(blocks)), cache_(context(), blocks_.size()) {}

  // `tokens`: those of the previous call and more. Logits are kNever where not allowed.
  std::vector<float> next(std::span<const TokenId> tokens, const TokenMask& allowed) {
    const auto length = static_cast<int64_t>(tokens.size());
    // A window that slides over the text has other positions in each pass.
    const bool slides = length > context();
    const auto read = slides ? tokens.last(static_cast<size_t>(context()))
                             : tokens.subspan(static_cast<size_t>(cache_.length));
    const std::vector<int64_t> ids(read.begin(), read.end());
    DeviceBatch batch;
    batch.inputs_BT = at::tensor(ids, at::kLong).unsqueeze(0).to(model_.device());
    batch.target_rows_M = at::tensor({batch.inputs_BT.size(1) - 1}, at::kLong).to(model_.device());
    const PassOptions options{.cache = slides ? nullptr : &cache_};
    return checked(model_.target_logits(batch, blocks_, options).flatten().cpu(), allowed);
  }

 private:
  int64_t context() const { return model_.spec().shape.context; }

  static std::vector<float> checked(const at::Tensor& logits_V, const TokenMask& allowed) {
    const at::Tensor flat_V = logits_V.contiguous();
    const float* data = flat_V.const_data_ptr<float>();
    std::vector<float> logits(data, data + flat_V.numel());
    for (size_t i = 0; i < logits.size(); ++i) {
      if (!std::isfinite(logits[i])) {
        throw CheckpointError("the model's logits are not finite: its weights are damaged");
      }
      if (!allowed[i]) logits[i] = kNever;
    }
    return logits;
  }

  const LanguageModel& model_;
  LayerMap blocks_;
  AttentionCache cache_;
};

// Returns the ids that stand for text, without padding of the vocabulary and holes in it.
TokenMask text_tokens(const LanguageModel& model, const Tokenizer& tokenizer) {
  const int64_t vocab_size = model.spec().shape.vocab_size;
  TokenMask allowed(static_cast<size_t>(vocab_size), false);
  const int64_t num_tokens = std::min(tokenizer.vocab_size(), vocab_size);
  for (TokenId id = 0; id < num_tokens; ++id) {
    try {
      tokenizer.token_text(id);
      allowed[static_cast<size_t>(id)] = true;
    } catch (const DataError&) {
    }
  }
  return allowed;
}

}  // namespace

void check_options(const GenerateOptions& options) {
  if (options.max_tokens < 0) {
    fail<UsageError>("max-tokens must not be negative (got {})", options.max_tokens);
  }
  if (!(options.temperature >= 0.0) || std::isinf(options.temperature)) {
    fail<UsageError>("temperature must be 0 or more and finite (got {})", options.temperature);
  }
  if (options.top_k < 0) fail<UsageError>("top-k must not be negative (got {})", options.top_k);
  if (!(options.top_p > 0.0 && options.top_p <= 1.0))
    fail<UsageError>("top-p must be above 0 and at most 1 (got {})", options.top_p);
}

namespace {

// Keeps the fewest of `order`, from the most likely on, whose total probability is top_p.
void keep_nucleus(std::span<const float> logits, const GenerateOptions& options,
                  std::vector<int64_t>& order) {
  const auto weight = [&](int64_t index) {
    return std::exp((logits[static_cast<size_t>(index)] - logits[static_cast<size_t>(order[0])]) /
                    options.temperature);
  };
  double total = 0.0;
  for (const int64_t index : order)
    total += weight(index);
  double sum = 0.0;
  size_t count = 0;
  while (count < order.size() && sum < options.top_p * total)
    sum += weight(order[count++]);
  order.resize(std::max<size_t>(count, 1));
}

}  // namespace

int64_t sample_index(std::span<const float> logits, const GenerateOptions& options,
                     double uniform) {
  if (options.temperature == 0.0) {
    return std::max_element(logits.begin(), logits.end()) - logits.begin();
  }
  std::vector<int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto likelier = [&](int64_t a, int64_t b) {
    const float x = logits[static_cast<size_t>(a)];
    const float y = logits[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  if (options.top_k > 0 && options.top_k < static_cast<int64_t>(order.size())) {
    std::nth_element(order.begin(), order.begin() + options.top_k, order.end(), likelier);
    order.resize(static_cast<size_t>(options.top_k));
  }
  if (options.top_p < 1.0) {
    std::sort(order.begin(), order.end(), likelier);
    keep_nucleus(logits, options, order);
  }
  std::sort(order.begin(), order.end());
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> cumulative;
  double total = 0.0;
  for (const int64_t index : order) {
    total += std::exp((logits[static_cast<size_t>(index)] - largest) / options.temperature);
    cumulative.push_back(total);
  }
  // The first sum above the mark; an index without probability never is.
  const auto found = std::upper_bound(cumulative.begin(), cumulative.end(), uniform * total);
  const auto position =
      std::min<size_t>(static_cast<size_t>(found - cumulative.begin()), order.size() - 1);
  return order[position];
}

void generate_tokens(const LanguageModel& model, std::vector<TokenId> prompt,
                     const TokenMask& allowed, std::optional<TokenId> stop,
                     const GenerateOptions& options, const std::function<void(TokenId)>& on_token) {
  check_options(options);
  const at::NoGradGuard no_grad;
  TextLogits logits(model, pass_blocks(model, options.depth));
  std::vector<TokenId> tokens = std::move(prompt);
  for (int64_t i = 0; i < options.max_tokens; ++i) {
    if (options.heeds_signals) throw_if_stopped();
    const double uniform =
        random_uniform(options.seed, RngStream::kGenerate, static_cast<uint64_t>(i));
    const auto token =
        static_cast<TokenId>(sample_index(logits.next(tokens, allowed), options, uniform));
    if (token == stop) return;
    tokens.push_back(token);
    on_token(token);
  }
}

std::vector<TokenId> encode_prompt(const Tokenizer& tokenizer, std::string_view prompt) {
  std::vector<TokenId> ids;
  tokenizer.encode(prompt, ids);
  if (ids.empty() && !prompt.empty()) {
    fail<DataError>("the prompt '{}' holds nothing that the tokenizer knows", prompt);
  }
  // The prompt may already contain it.
  const std::optional<TokenId> begin = tokenizer.begin_of_text();
  if (begin && (ids.empty() || ids.front() != *begin)) ids.insert(ids.begin(), *begin);
  if (!ids.empty()) return ids;
  const std::optional<TokenId> start = tokenizer.end_of_text();
  if (!start) {
    throw DataError(
        "the prompt is empty, and the tokenizer names no end of text (eos_token) to start from");
  }
  return {*start};
}

std::vector<TokenId> encode_prompt(const LoadedModel& loaded, std::string_view prompt) {
  if (!loaded.model->is_causal()) {
    fail<CheckpointError>(
        "{}: a masked model ({}) fills gaps and does not write on; expected a causal one; "
        "hint: `apollo score` rates given text",
        loaded.folder.string(), enum_name(loaded.model->spec().shape.architecture));
  }
  const Tokenizer& tokenizer = require_tokenizer(loaded);
  std::vector<TokenId> ids = encode_prompt(tokenizer, prompt);
  require_known_tokens(ids, tokenizer, loaded.model->spec(), loaded.folder.string());
  return ids;
}

int64_t continue_text(const LanguageModel& model, const Tokenizer& tokenizer,
                      std::vector<TokenId> prompt, const GenerateOptions& options,
                      const std::function<void(std::string_view)>& write, bool begins_text) {
  Utf8Stream text;
  bool is_first = begins_text;
  int64_t count = 0;
  const auto emit = [&](const std::string& piece) {
    if (!piece.empty()) write(piece);
  };
  generate_tokens(model, std::move(prompt), text_tokens(model, tokenizer), tokenizer.end_of_text(),
                  options, [&](TokenId token) {
                    emit(text.push(is_first ? tokenizer.token_text(token)
                                            : tokenizer.continuation_text(token)));
                    is_first = false;
                    ++count;
                  });
  emit(text.finish());
  return count;
}

int64_t generate_text(const LoadedModel& loaded, std::string_view prompt,
                      const GenerateOptions& options,
                      const std::function<void(std::string_view)>& write) {
  std::vector<TokenId> tokens = encode_prompt(loaded, prompt);
  return continue_text(*loaded.model, *loaded.tokenizer, std::move(tokens), options, write,
                       /*begins_text=*/prompt.empty());
}

}  // namespace apollo
