#include "progressive/measured_products.h"

#include <algorithm>

#include "arch/architecture.h"
#include "config/objective.h"

namespace apollo {
namespace {

// The rows are chosen so that a round takes this many FLOPs: a tenth of a second of one core.
constexpr double kRoundFlops = 1e10;
constexpr int64_t kFewestRows = 64;
// A pass with fewer FLOPs spends its time elsewhere.
constexpr double kLeastFlops = 1e8;

double flops_of(const MeasuredProduct& product) {
  return 6.0 * static_cast<double>(product.rows) * static_cast<double>(product.inner) *
         static_cast<double>(product.outer);
}

void add_products(const std::vector<MatrixProduct>& from, int64_t rows, double weight,
                  std::vector<MeasuredProduct>& to) {
  for (const MatrixProduct& product : from) {
    const bool is_attention = product.inner == MatrixProduct::kSequenceLength ||
                              product.outer == MatrixProduct::kSequenceLength;
    if (!is_attention) to.push_back({rows, product.inner, product.outer, weight});
  }
}

}  // namespace

std::vector<MeasuredProduct> measured_products(const RunConfig& config, const ModelShape& shape) {
  const ArchitectureInfo& info = describe(shape.architecture);
  const int64_t sequences = std::max<int64_t>(1, config.train.micro_batch_size);
  std::vector<MeasuredProduct> products;
  add_products(info.block_products(shape, /*place=*/0), sequences * shape.context,
               static_cast<double>(shape.layers), products);
  add_products(info.head_products(shape), sequences * targets_per_sequence(config), 1.0, products);
  double pass = 0.0;
  double round = 0.0;
  for (const MeasuredProduct& product : products) {
    pass += product.weight * flops_of(product);
    round += flops_of(product);
  }
  if (pass < kLeastFlops) return {};
  const double share = std::min(1.0, kRoundFlops / round);
  for (MeasuredProduct& product : products) {
    const auto fewer = static_cast<int64_t>(static_cast<double>(product.rows) * share);
    product.rows = std::min(product.rows, std::max(kFewestRows, fewer));
  }
  return products;
}

}  // namespace apollo
