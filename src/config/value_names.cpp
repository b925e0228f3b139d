#include "config/value_names.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <system_error>

#include "base/duration.h"
#include "base/error.h"

namespace apollo {
namespace {

// Parses text of digits only.
std::optional<int64_t> parse_count(std::string_view text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || rest != end || value < 0) return std::nullopt;
  return value;
}

}  // namespace

bool asks_for_training(std::string_view tokenizer) {
  return tokenizer.starts_with("train:");
}

std::optional<TrainedTokenizer> parse_trained_tokenizer(std::string_view tokenizer) {
  struct Form {
    std::string_view prefix;
    TrainedTokenizer means;
  };
  using Kind = TrainedTokenizer::Kind;
  constexpr Form kForms[] = {{"train:bpe:", {Kind::kBpe, /*lowercase=*/false}},
                             {"train:wordpiece:", {Kind::kWordPiece, /*lowercase=*/true}},
                             {"train:wordpiece-cased:", {Kind::kWordPiece, /*lowercase=*/false}}};
  for (const Form& form : kForms) {
    if (!tokenizer.starts_with(form.prefix)) continue;
    const auto size = parse_count(tokenizer.substr(form.prefix.size()));
    if (!size || *size < 1) return std::nullopt;
    TrainedTokenizer trained = form.means;
    trained.vocab_size = *size;
    return trained;
  }
  return std::nullopt;
}

std::optional<int64_t> parse_amount(std::string_view text) {
  constexpr double kMost = 1e18;
  try {
    const Duration tokens = parse_duration(fmt::format("{} tokens", text));
    if (tokens.unit != DurationUnit::kTokens) return std::nullopt;
    if (!(tokens.value >= 1.0 && tokens.value <= kMost)) return std::nullopt;
    return std::llround(tokens.value);
  } catch (const UsageError&) {
    return std::nullopt;
  }
}

std::optional<int64_t> parse_parameters(std::string_view size) {
  constexpr int64_t kMost = 1'000'000'000'000;
  const auto amount = parse_amount(size);
  return amount && *amount <= kMost ? amount : std::nullopt;
}

std::optional<DeviceName> parse_device_name(std::string_view device) {
  using Kind = DeviceName::Kind;
  constexpr std::string_view kNumbered = "cuda:";
  if (device == "auto") return DeviceName{Kind::kAuto};
  if (device == "cpu") return DeviceName{Kind::kCpu};
  if (device == "cuda") return DeviceName{Kind::kCuda};
  if (!device.starts_with(kNumbered)) return std::nullopt;
  const auto index = parse_count(device.substr(kNumbered.size()));
  if (!index) return std::nullopt;
  return DeviceName{Kind::kCuda, *index};
}

}  // namespace apollo
