// Values of keys that are small languages of their own. Each is parsed only here. What cannot be
// parsed is nullopt, and the caller says what was expected.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace apollo {

// Values of data.tokenizer with which the run trains one on its own text: "train:bpe:8192",
// "train:wordpiece:8192", "train:wordpiece-cased:8192".
struct TrainedTokenizer {
  enum class Kind { kBpe, kWordPiece } kind = Kind::kBpe;
  bool lowercase = false;  // a WordPiece that lowercases and strips accents
  int64_t vocab_size = 0;  // at least 1
};
// Whether a value of data.tokenizer asks for training at all, well formed or not.
bool asks_for_training(std::string_view tokenizer);
std::optional<TrainedTokenizer> parse_trained_tokenizer(std::string_view tokenizer);

// A number from 1 to 10^18, as "11M", "350k", "1.5B", "9e9" or "11000000".
std::optional<int64_t> parse_amount(std::string_view text);

// model.size: an amount of parameters, at most 10^12.
std::optional<int64_t> parse_parameters(std::string_view size);

// run.device and --device: "auto", "cpu", "cuda", "cuda:1".
struct DeviceName {
  enum class Kind { kAuto, kCpu, kCuda } kind = Kind::kAuto;
  int64_t index = 0;  // of the GPU
};
std::optional<DeviceName> parse_device_name(std::string_view device);

}  // namespace apollo
