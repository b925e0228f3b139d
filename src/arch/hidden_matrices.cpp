#include "arch/hidden_matrices.h"

#include <algorithm>
#include <numeric>

#include "arch/architecture.h"
#include "base/error.h"

namespace apollo {
namespace {

std::vector<HiddenMatrix> matrices_of_block(const ModelShape& shape) {
  std::vector<HiddenMatrix> all;
  for (const ParameterSpec& spec : describe(shape.architecture).parameters({shape}, 1)) {
    const std::vector<HiddenMatrix> own = hidden_matrices(spec);
    all.insert(all.end(), own.begin(), own.end());
  }
  return all;
}

}  // namespace

bool has_hidden_matrices(const ParameterSpec& spec) {
  return spec.layer >= 0 && spec.shape.size() == 2;
}

std::vector<HiddenMatrix> hidden_matrices(const ParameterSpec& spec) {
  if (!has_hidden_matrices(spec)) return {};
  const int64_t dimension = spec.matrices.dimension;
  const int64_t whole = spec.shape.at(static_cast<size_t>(dimension));
  std::vector<int64_t> sizes = spec.matrices.sizes;
  if (sizes.empty()) sizes = {whole};
  const int64_t sum = std::accumulate(sizes.begin(), sizes.end(), int64_t{0});
  if (sum != whole) {
    fail<Error>("parameter '{}': its matrices fill {} of dimension {}, which has {}", spec.name,
                sum, dimension, whole);
  }
  std::vector<HiddenMatrix> matrices;
  int64_t first = 0;
  for (const int64_t size : sizes) {
    const bool cuts_rows = dimension == 0;
    matrices.push_back({.dimension = dimension,
                        .first = first,
                        .size = size,
                        .rows = cuts_rows ? size : spec.shape[0],
                        .columns = cuts_rows ? spec.shape[1] : size});
    first += size;
  }
  return matrices;
}

double newton_schulz_flops(int64_t rows, int64_t columns) {
  const auto shorter = static_cast<double>(std::min(rows, columns));
  const auto longer = static_cast<double>(std::max(rows, columns));
  return kNewtonSchulzSteps * 2.0 * shorter * shorter * (2.0 * longer + shorter);
}

double newton_schulz_flops(const ModelShape& shape) {
  double flops = 0.0;
  for (const HiddenMatrix& matrix : matrices_of_block(shape))
    flops += newton_schulz_flops(matrix.rows, matrix.columns);
  return flops;
}

int64_t num_hidden_parameters(const ModelShape& shape) {
  int64_t count = 0;
  for (const HiddenMatrix& matrix : matrices_of_block(shape))
    count += matrix.rows * matrix.columns;
  return count;
}

}  // namespace apollo
