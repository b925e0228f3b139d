// One tensor of an architecture: its name, its shape, its initialisation, and what growth must know
// about it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace apollo {

// kTruncatedNormal: N(0, init_std); values beyond two deviations are drawn again.
enum class Init { kZeros, kOnes, kNormal, kTruncatedNormal };

// What growth and frozen layers must know about a tensor. kBranchOutput: it ends a residual branch,
// so the branch adds nothing if it is zero. kHead: it belongs to the output head, which trains
// whatever is frozen.
enum class Role { kOther, kBranchOutput, kHead };
// What lies along a dimension of a tensor, for growth in width: neurons of the residual stream, of
// the heads (values), of queries, keys and values one after the other, or of the MLP's hidden
// layer. kFixed: something that width does not change (vocabulary, positions).
enum class Neurons { kFixed, kResidual, kHeads, kQkv, kInner };
// What the tensor does with these neurons: it computes them, it sums over them, or it scales or
// shifts each one separately (norms).
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

// Several matrices that lie in one tensor, one after the other along a dimension: queries, keys and
// values, or the gate and the input of an MLP. Their sizes may differ.
struct SideBySide {
  int64_t dimension = 0;
  std::vector<int64_t> sizes = {};  // along `dimension`, in sum its size; empty: one matrix
};

// `layer` is -1 outside the blocks. `part` is the name without the layer's prefix
// ("attn.c_attn.weight"); growth uses it to find the same tensor in another layer.
struct ParameterSpec {
  std::string name;  // as Hugging Face names it
  std::string part;
  int64_t layer = -1;
  std::vector<int64_t> shape;
  bool decay = false;
  Init init = Init::kZeros;
  double init_std = 0.0;
  // Set where Hugging Face stores the tensor in several pieces along dimension 0: their names and
  // their numbers of rows. Without the numbers all pieces have equally many rows.
  std::vector<std::string> pieces = {};
  std::vector<int64_t> piece_rows = {};
  Role role = Role::kOther;
  std::vector<Axis> axes = {};  // one per dimension; empty: the model does not grow in width
  SideBySide matrices = {};     // of a tensor in a block, for optimizers that work on matrices
  // Hugging Face's format has no place for this tensor; a folder keeps it in apollo/
  // (model/hf_folder.h).
  bool outside_format = false;
};

// Returns the number of rows of each piece; empty if the tensor is stored whole.
inline std::vector<int64_t> rows_of_pieces(const ParameterSpec& spec) {
  if (!spec.piece_rows.empty() || spec.pieces.empty()) return spec.piece_rows;
  const auto count = static_cast<int64_t>(spec.pieces.size());
  return std::vector<int64_t>(spec.pieces.size(), spec.shape.front() / count);
}

}  // namespace apollo
