// The hidden matrices of a model, which Muon makes orthogonal: every tensor of two dimensions that
// belongs to a block, cut into the matrices that lie side by side in it. Embeddings, the output
// head, norms and biases are none.
#pragma once

#include <cstdint>
#include <vector>

#include "arch/model_spec.h"
#include "arch/parameter_spec.h"

namespace apollo {

// A matrix within its tensor: `size` of `dimension`, from `first` on, of all of the other one.
struct HiddenMatrix {
  int64_t dimension = 0;
  int64_t first = 0;
  int64_t size = 0;
  int64_t rows = 0;
  int64_t columns = 0;
};

// Those of one tensor; none where it is not of a block or has another number of dimensions. Throws
// Error where the sizes of its matrices do not fill it.
std::vector<HiddenMatrix> hidden_matrices(const ParameterSpec& spec);

bool has_hidden_matrices(const ParameterSpec& spec);

// Steps of the Newton-Schulz iteration by which Muon makes a matrix orthogonal.
inline constexpr int kNewtonSchulzSteps = 5;

// FLOPs of that iteration for one matrix: with s and l its shorter and its longer side, a step has
// products of [s, l] x [l, s], [s, s] x [s, s] and [s, s] x [s, l].
double newton_schulz_flops(int64_t rows, int64_t columns);
// Of all hidden matrices of one block.
double newton_schulz_flops(const ModelShape& shape);
// Their elements.
int64_t num_hidden_parameters(const ModelShape& shape);

}  // namespace apollo
