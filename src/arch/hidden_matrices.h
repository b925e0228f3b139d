// The hidden matrices of a model, which Muon orthogonalizes: every two-dimensional tensor of a
// block, cut into the matrices that lie side by side in it. Embeddings, the output head, norms and
// biases are not among them.
#pragma once

#include <cstdint>
#include <vector>

#include "arch/model_spec.h"
#include "arch/parameter_spec.h"

namespace apollo {

// A matrix within its tensor: `size` rows or columns from `first` on along `dimension`, and the
// whole of the other dimension.
struct HiddenMatrix {
  int64_t dimension = 0;
  int64_t first = 0;
  int64_t size = 0;
  int64_t rows = 0;
  int64_t columns = 0;
};

// Returns the hidden matrices of one tensor; none if it is outside the blocks or not
// two-dimensional. Throws Error if the sizes of its matrices do not fill it.
std::vector<HiddenMatrix> hidden_matrices(const ParameterSpec& spec);

bool has_hidden_matrices(const ParameterSpec& spec);

// Steps of the Newton-Schulz iteration with which Muon orthogonalizes a matrix.
inline constexpr int kNewtonSchulzSteps = 5;

// Returns the FLOPs of that iteration for one matrix. With s the shorter and l the longer side,
// each step has products of [s, l] x [l, s], [s, s] x [s, s] and [s, s] x [s, l].
double newton_schulz_flops(int64_t rows, int64_t columns);
// The same for all hidden matrices of one block.
double newton_schulz_flops(const ModelShape& shape);
// The number of elements in all hidden matrices of one block.
int64_t num_hidden_parameters(const ModelShape& shape);

}  // namespace apollo
