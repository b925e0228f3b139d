// One tensor of an architecture: its name, its shape, how it begins, and what growth must know of
// it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace apollo {

// kTruncatedNormal: N(0, init_std), drawn anew beyond two deviations.
enum class Init { kZeros, kOnes, kNormal, kTruncatedNormal };

// What growth and frozen layers must know of a tensor: it is the last of a residual branch, so that
// without it the branch adds nothing; or part of the output head, which trains whatever is frozen.
enum class Role { kOther, kBranchOutput, kHead };
// What stands side by side along a dimension of a tensor, for growth in width: neurons of the
// residual stream, of the heads (values), of queries, keys and values one after the other, of the
// MLP's inside, or nothing that width changes (vocabulary, positions).
enum class Neurons { kFixed, kResidual, kHeads, kQkv, kInner };
// What the tensor does with them: it computes them, it sums over them, or it scales or shifts each
// by itself (norms).
enum class AxisRole { kOutput, kInput, kElementwise };

struct Axis {
  Neurons neurons = Neurons::kFixed;
  AxisRole role = AxisRole::kOutput;
};

namespace axes {

inline constexpr Axis kFixed = {};
inline constexpr Axis kResidualOut = {Neurons::kResidual, AxisRole::kOutput};
inline constexpr Axis kResidualIn = {Neurons::kResidual, AxisRole::kInput};
inline constexpr Axis kPerResidual = {Neurons::kResidual, AxisRole::kElementwise};
inline constexpr Axis kQkvOut = {Neurons::kQkv, AxisRole::kOutput};
inline constexpr Axis kHeadsIn = {Neurons::kHeads, AxisRole::kInput};
inline constexpr Axis kInnerOut = {Neurons::kInner, AxisRole::kOutput};
inline constexpr Axis kInnerIn = {Neurons::kInner, AxisRole::kInput};

}  // namespace axes

// Matrices of their own that lie in one tensor, one after the other along a dimension: queries,
// keys and values, or the gate and the input of an MLP. They need not be of one size.
struct SideBySide {
  int64_t dimension = 0;
  std::vector<int64_t> sizes = {};  // along it, which they fill; empty: the tensor is one matrix
};

// `layer` is -1 outside the blocks; `part` is the name without the layer's prefix
// ("attn.c_attn.weight"), by which growth finds the tensor in another layer.
struct ParameterSpec {
  std::string name;  // as Hugging Face names it
  std::string part;
  int64_t layer = -1;
  std::vector<int64_t> shape;
  bool decay = false;
  Init init = Init::kZeros;
  double init_std = 0.0;
  // Where Hugging Face keeps the tensor in several parts along dimension 0: their names, and how
  // many rows each has; without these numbers all have as many.
  std::vector<std::string> pieces = {};
  std::vector<int64_t> piece_rows = {};
  Role role = Role::kOther;
  std::vector<Axis> axes = {};  // of each dimension; empty: a model that does not grow in width
  SideBySide matrices = {};     // of a tensor of a block, for optimizers that look at matrices
  // Hugging Face's format has no place for it: a folder keeps it in apollo/ (model/hf_folder.h).
  bool outside_format = false;
};

// The rows of each piece; empty where there are none.
inline std::vector<int64_t> rows_of_pieces(const ParameterSpec& spec) {
  if (!spec.piece_rows.empty() || spec.pieces.empty()) return spec.piece_rows;
  const auto count = static_cast<int64_t>(spec.pieces.size());
  return std::vector<int64_t>(spec.pieces.size(), spec.shape.front() / count);
}

}  // namespace apollo
