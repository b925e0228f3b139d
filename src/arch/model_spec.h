// What a model is, apart from its weights: its architecture, its sizes, how its passes share
// layers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/enum_names.h"

namespace apollo {

// A place in the list of architectures (architecture.h), which programs may add to.
enum class Architecture : int { kGpt2, kBert, kLlama, kQwen3, kModernBert };
template <>
inline constexpr bool kHasEnumNames<Architecture> = true;
template <>
std::span<const std::string_view> enum_names<Architecture>();

// Which layer comes from which (progressive/layer_map.h).
enum class LayerMapKind { kInterpolate, kStack, kMiddleBlock, kMiddle };
template <>
inline constexpr std::array<std::string_view, 4> kEnumNames<LayerMapKind> = {
    "interpolate", "stack", "middle_block", "middle"};

// Local blocks, in which a position sees only its neighbourhood. Whether a block is local depends
// on its place in the pass (0, 1, ...), not on the layer that it runs: place 0 and every
// `global_every`-th place after it are global, all others are local.
struct LocalAttention {
  int64_t window = 0;  // a position sees others up to this distance; 0: no block is local
  int64_t global_every = 1;

  bool is_local(int64_t place) const { return window > 0 && place % global_every != 0; }
  // The number of local blocks among the first `places`.
  int64_t num_local(int64_t places) const {
    return window > 0 ? places - (places + global_every - 1) / global_every : 0;
  }
  bool operator==(const LocalAttention&) const = default;
};

// What parameters and FLOPs depend on.
struct ModelShape {
  Architecture architecture = Architecture::kGpt2;
  int64_t layers = 0;  // of the final model
  int64_t width = 0;
  int64_t heads = 0;
  int64_t context = 0;
  int64_t vocab_size = 0;
  int64_t inner = 0;        // width of the MLP's inside; 0: the usual 4 * width
  int64_t token_types = 2;  // used by BERT only
  int64_t kv = 0;           // key-value heads; 0: as many as query heads
  int64_t head = 0;         // width of a head; 0: the usual width / heads
  bool tied = true;         // the output layer shares the weights of the embedding
  LocalAttention local = {};

  int64_t inner_width() const { return inner > 0 ? inner : 4 * width; }
  void set_inner_width(int64_t value) { inner = value == 4 * width ? 0 : value; }
  int64_t kv_heads() const { return kv > 0 ? kv : heads; }
  void set_kv_heads(int64_t value) { kv = value == heads ? 0 : value; }
  int64_t head_dim() const { return head > 0 ? head : width / heads; }
  void set_head_dim(int64_t value) { head = value * heads == width ? 0 : value; }

  bool operator==(const ModelShape&) const = default;
};

// Extends the context beyond the length of the first training, as Llama 3.1 does ("llama3"): low
// frequencies are divided by `factor`, high ones stay, and those between are interpolated.
struct RopeScaling {
  double factor = 1.0;
  double low_freq_factor = 1.0;   // wavelengths above original_context / this are low frequencies
  double high_freq_factor = 4.0;  // wavelengths below original_context / this are high frequencies
  int64_t original_context = 0;

  bool operator==(const RopeScaling&) const = default;
};

// Rotary positions: pair i of the K / 2 pairs of a head turns by theta^(-2 i / K) radians per
// position.
struct Rope {
  double theta = 0.0;  // 0: the architecture has none
  std::optional<RopeScaling> scaling = {};

  bool operator==(const Rope&) const = default;
};

struct ModelSpec {
  ModelShape shape;                                     // `layers` is the depth of the final model
  LayerMapKind layer_map = LayerMapKind::kInterpolate;  // how its passes share layers
  double dropout = 0.0;
  double norm_epsilon = 1e-5;
  double init_std = 0.02;  // of new matrices and embeddings
  Rope rope = {};
  Rope local_rope = {};  // of local blocks

  bool operator==(const ModelSpec&) const = default;
};

}  // namespace apollo
