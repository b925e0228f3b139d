#include "arch/counts.h"

#include <algorithm>

namespace apollo {
namespace {

// Of one product at so many rows, of sequences of `length` tokens.
double product_flops(const MatrixProduct& product, int64_t rows, int64_t length) {
  const auto size = [&](int64_t number) {
    return static_cast<double>(number == MatrixProduct::kSequenceLength ? length : number);
  };
  return 2.0 * static_cast<double>(rows) * size(product.inner) * size(product.outer);
}

// The blocks of a pass.
double layers_forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences,
                            int64_t length, int64_t positions) {
  if (depth == 0) return 0.0;
  return static_cast<double>(depth - 1) * layer_forward_flops(shape, sequences, length) +
         last_layer_forward_flops(shape, sequences, length, positions);
}

int64_t count_parameters(const ModelShape& shape, int64_t layers) {
  int64_t count = 0;
  for (const ParameterSpec& spec : describe(shape.architecture).parameters({shape}, layers)) {
    int64_t size = 1;
    for (const int64_t dimension : spec.shape)
      size *= dimension;
    count += size;
  }
  return count;
}

}  // namespace

double layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length) {
  return last_layer_forward_flops(shape, sequences, length, sequences * length);
}

double last_layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length,
                                int64_t positions) {
  double flops = 0.0;
  for (const MatrixProduct& product : describe(shape.architecture).block_products(shape)) {
    const bool at_targets = product.last_rows == ProductRows::kTargets;
    flops += product_flops(product, at_targets ? positions : sequences * length, length);
  }
  return flops;
}

double head_forward_flops(const ModelShape& shape, int64_t positions) {
  double flops = 0.0;
  for (const MatrixProduct& product : describe(shape.architecture).head_products(shape))
    flops += product_flops(product, positions, /*length=*/0);
  return flops;
}

double forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t length,
                     int64_t positions) {
  return layers_forward_flops(shape, depth, sequences, length, positions) +
         head_forward_flops(shape, positions);
}

double train_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t targets,
                   bool recompute, int64_t frozen) {
  const int64_t positions = sequences * targets;
  const double all = layers_forward_flops(shape, depth, sequences, shape.context, positions);
  const double only_forward =
      frozen < depth
          ? static_cast<double>(frozen) * layer_forward_flops(shape, sequences, shape.context)
          : all;
  const double trained = all - only_forward;
  const double head = head_forward_flops(shape, positions);
  return 3.0 * (trained + head) + (recompute ? trained : 0.0) + only_forward;
}

int64_t num_parameters(const ModelShape& shape, int64_t layers) {
  const int64_t outside = count_parameters(shape, 0);
  return outside + layers * (count_parameters(shape, 1) - outside);
}

int64_t num_layer_parameters(const ModelShape& shape) {
  return count_parameters(shape, 1) - count_parameters(shape, 0);
}

bool ends_at_targets(const ModelShape& shape) {
  const auto products = describe(shape.architecture).block_products(shape);
  return std::any_of(products.begin(), products.end(), [](const MatrixProduct& product) {
    return product.last_rows == ProductRows::kTargets;
  });
}

}  // namespace apollo
