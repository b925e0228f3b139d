#include "arch/counts.h"

#include <algorithm>

namespace apollo {
namespace {

// Returns the number of pairs of positions that lie at most `window` apart: 2 * window + 1 for each
// position, minus the window - t that position t lacks before it, and as many at the other end.
int64_t pairs_in_window(int64_t length, int64_t window) {
  if (window >= length) return length * length;
  return length * (2 * window + 1) - window * (window + 1);
}

// Returns the FLOPs of one product at `rows` rows of sequences of `length` tokens.
double product_flops(const ModelShape& shape, const MatrixProduct& product, int64_t rows,
                     int64_t length) {
  const auto flops = [](int64_t m, int64_t n, int64_t k) {
    return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  };
  constexpr int64_t kWindow = MatrixProduct::kWindow;
  if (product.inner == kWindow || product.outer == kWindow) {
    const int64_t width = product.inner == kWindow ? product.outer : product.inner;
    return flops(rows / length, width, pairs_in_window(length, shape.local.window));
  }
  const auto size = [&](int64_t number) {
    return number == MatrixProduct::kSequenceLength ? length : number;
  };
  return flops(rows, size(product.inner), size(product.outer));
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

double layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length,
                           int64_t place) {
  return last_layer_forward_flops(shape, sequences, length, sequences * length, place);
}

double last_layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length,
                                int64_t positions, int64_t place) {
  double flops = 0.0;
  for (const MatrixProduct& product : describe(shape.architecture).block_products(shape, place)) {
    const bool at_targets = product.last_rows == ProductRows::kTargets;
    flops += product_flops(shape, product, at_targets ? positions : sequences * length, length);
  }
  return flops;
}

double first_layers_forward_flops(const ModelShape& shape, int64_t places, int64_t sequences,
                                  int64_t length) {
  // Place 0 is global, and place 1 is local if the model has local blocks.
  const int64_t num_local = shape.local.num_local(places);
  const double global = static_cast<double>(places - num_local) *
                        layer_forward_flops(shape, sequences, length, /*place=*/0);
  if (num_local == 0) return global;
  return global + static_cast<double>(num_local) *
                      layer_forward_flops(shape, sequences, length, /*place=*/1);
}

double layers_forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences,
                            int64_t length, int64_t positions) {
  if (depth == 0) return 0.0;
  return first_layers_forward_flops(shape, depth - 1, sequences, length) +
         last_layer_forward_flops(shape, sequences, length, positions, depth - 1);
}

double head_forward_flops(const ModelShape& shape, int64_t positions) {
  double flops = 0.0;
  for (const MatrixProduct& product : describe(shape.architecture).head_products(shape))
    flops += product_flops(shape, product, positions, /*length=*/0);
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
      frozen < depth ? first_layers_forward_flops(shape, frozen, sequences, shape.context) : all;
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
  const auto products = describe(shape.architecture).block_products(shape, /*place=*/0);
  return std::any_of(products.begin(), products.end(), [](const MatrixProduct& product) {
    return product.last_rows == ProductRows::kTargets;
  });
}

}  // namespace apollo
