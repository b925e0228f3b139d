// What a model is, apart from its weights: its architecture, its sizes, how its passes share
// layers.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/enum_names.h"

namespace apollo {

// A place in the list of architectures (architecture.h), which programs may add to.
enum class Architecture : int { kGpt2, kBert };
template <>
inline constexpr bool kHasEnumNames<Architecture> = true;
template <>
std::span<const std::string_view> enum_names<Architecture>();

// Which layer comes from which (progressive/layer_map.h).
enum class LayerMapKind { kInterpolate, kStack, kMiddleBlock, kMiddle };
template <>
inline constexpr std::array<std::string_view, 4> kEnumNames<LayerMapKind> = {
    "interpolate", "stack", "middle_block", "middle"};

// What parameters and FLOPs depend on.
struct ModelShape {
  Architecture architecture = Architecture::kGpt2;
  int64_t layers = 0;  // of the final model
  int64_t width = 0;
  int64_t heads = 0;
  int64_t context = 0;
  int64_t vocab_size = 0;
  int64_t inner = 0;        // width of the MLP's inside; 0: the usual 4 * width
  int64_t token_types = 2;  // BERT

  int64_t inner_width() const { return inner > 0 ? inner : 4 * width; }
  void set_inner_width(int64_t value) { inner = value == 4 * width ? 0 : value; }

  bool operator==(const ModelShape&) const = default;
};

struct ModelSpec {
  ModelShape shape;                                     // `layers` is the depth of the final model
  LayerMapKind layer_map = LayerMapKind::kInterpolate;  // how its passes share layers
  double dropout = 0.0;
  double norm_epsilon = 1e-5;
  double init_std = 0.02;  // of fresh matrices and embeddings

  bool operator==(const ModelSpec&) const = default;
};

}  // namespace apollo
