// The kernels of row_kernels.h for one instruction set; vector_math.h says how this file is
// compiled. A row is read several times, but it stays in the first-level cache.
#pragma once

#include "ops/attention_body.h"
#include "ops/dropout_mask.h"
#include "ops/partial_sums_body.h"
#include "ops/rotation_body.h"
#include "ops/row_kernels.h"
#include "ops/vector_math.h"

namespace apollo {
namespace {

template <class T>
constexpr bool kIsFloat = sizeof(T) == sizeof(float);

// Writes residual + dropout(branch + bias) if there is a branch; returns the sum of the row.
template <class T>
inline float add_row(const AddNormRows<T>& rows, int64_t row) {
  const float* residual = rows.residual_NW + row * rows.width;
  Floats total = {};
  if (rows.branch_NW == nullptr) {
    for_columns(rows.width,
                [&](int64_t i, const auto& lanes) { total += lanes.load(residual + i); });
    return sum(total);
  }
  const T* branch = rows.branch_NW + row * rows.width;
  float* written = rows.sum_NW + row * rows.width;
  const DropoutMask mask(rows.dropout);
  const auto add = [&](int64_t i, const auto& lanes, const Floats& bias) {
    Floats added = lanes.load(branch + i) + bias;
    if (mask.active()) added *= mask.factors(row, i);
    const Floats x = lanes.load(residual + i) + added;
    lanes.store(written + i, x);
    total += x;
  };
  if (rows.branch_bias_W == nullptr) {
    for_columns(rows.width, [&](int64_t i, const auto& lanes) { add(i, lanes, Floats{}); });
  } else {
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      add(i, lanes, lanes.load(rows.branch_bias_W + i));
    });
  }
  return sum(total);
}

// Calls write(i, lanes, norm) for every vector of the row.
template <class T, class Write>
inline void norm_row(const NormRows<T>& rows, int64_t row, const Write& write) {
  const float mean = rows.mean_N[row];
  const float rstd = rows.rstd_N[row];
  const float* x = rows.sum_NW + row * rows.width;
  if (rows.bias_W == nullptr) {
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      const Floats centred = (lanes.load(x + i) - mean) * rstd;
      write(i, lanes, centred * lanes.load(rows.weight_W + i));
    });
    return;
  }
  for_columns(rows.width, [&](int64_t i, const auto& lanes) {
    const Floats centred = (lanes.load(x + i) - mean) * rstd;
    write(i, lanes, centred * lanes.load(rows.weight_W + i) + lanes.load(rows.bias_W + i));
  });
}

template <class T>
inline void norm_row(const NormRows<T>& rows, int64_t row) {
  T* norm = rows.norm_NW + row * rows.width;
  norm_row(rows, row,
           [&](int64_t i, const auto& lanes, const Floats& x) { lanes.store(norm + i, x); });
}

template <class T>
void add_norm(const AddNormRows<T>& rows, int64_t begin, int64_t end) {
  const int64_t width = rows.width;
  const float inverse_width = 1.0F / static_cast<float>(width);
  const float* sums_NW = rows.branch_NW == nullptr ? rows.residual_NW : rows.sum_NW;
  const NormRows<T> norm{width,         sums_NW,     rows.mean_N, rows.rstd_N,
                         rows.weight_W, rows.bias_W, rows.norm_NW};
  for (int64_t row = begin; row < end; ++row) {
    const float total = add_row(rows, row);
    const float mean = rows.centred ? total * inverse_width : 0.0F;
    const float* x = sums_NW + row * width;
    Floats squares = {};
    for_columns(width, [&](int64_t i, const auto& lanes) {
      const Floats centred = lanes.mask(lanes.load(x + i) - mean);
      squares += centred * centred;
    });
    const float rstd = 1.0F / __builtin_sqrtf(sum(squares) * inverse_width + rows.epsilon);
    rows.mean_N[row] = mean;
    rows.rstd_N[row] = rstd;
    if (rows.exact_NW == nullptr) {
      norm_row(norm, row);
      continue;
    }
    T* rounded = rows.norm_NW + row * width;
    float* exact = rows.exact_NW + row * width;
    norm_row(norm, row, [&](int64_t i, const auto& lanes, const Floats& value) {
      lanes.store(rounded + i, value);
      lanes.store(exact + i, value);
    });
  }
}

template <class T>
void norm(const NormRows<T>& rows, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row)
    norm_row(rows, row);
}

// The gradient of a norm's results: of what is read as T, of what is read as float32, or of both.
template <class T>
struct NormGradient {
  NormGradient(const AddNormGradientRows<T>& rows, int64_t row)
      : rounded(rows.grad_norm_NW == nullptr ? nullptr : rows.grad_norm_NW + row * rows.width),
        exact(rows.grad_exact_NW == nullptr ? nullptr : rows.grad_exact_NW + row * rows.width) {}

  template <class Lanes>
  Floats at(int64_t i, const Lanes& lanes) const {
    if (rounded == nullptr) return lanes.load(exact + i);
    const Floats grad = lanes.load(rounded + i);
    return exact == nullptr ? grad : grad + lanes.load(exact + i);
  }

  const T* rounded;
  const float* exact;
};

// With n the row before weight and bias and g = grad_norm * weight, the gradient is
// rstd * (g - mean(g) - n mean(g n)), without mean(g) for RMSNorm.
template <class T>
void add_norm_gradient_row(const AddNormGradientRows<T>& rows, int64_t row) {
  const int64_t width = rows.width;
  const float mean = rows.mean_N[row];
  const float rstd = rows.rstd_N[row];
  const float* x = rows.sum_NW + row * width;
  const NormGradient<T> grad(rows, row);
  float* grad_weight = block_of(rows.grad_weight_CW, row, width);
  float* grad_bias = block_of(rows.grad_bias_CW, row, width);
  Floats g_total = {};
  Floats gn_total = {};
  for_columns(width, [&](int64_t i, const auto& lanes) {
    const Floats n = (lanes.load(x + i) - mean) * rstd;
    const Floats grad_here = grad.at(i, lanes);
    const Floats g = grad_here * lanes.load(rows.weight_W + i);
    g_total += g;
    gn_total += g * n;
    add_to(grad_weight + i, grad_here * n, lanes);
    if (grad_bias != nullptr) add_to(grad_bias + i, grad_here, lanes);
  });
  const float inverse_width = 1.0F / static_cast<float>(width);
  const float g_mean = rows.centred ? sum(g_total) * inverse_width : 0.0F;
  const float scaled_gn_mean = sum(gn_total) * inverse_width * rstd;
  const float* carried =
      rows.grad_carried_NW == nullptr ? nullptr : rows.grad_carried_NW + row * width;
  float* result = rows.grad_sum_NW + row * width;
  float* grad_branch_bias = block_of(rows.grad_branch_bias_CW, row, width);
  T* grad_branch = rows.grad_branch_NW == nullptr ? nullptr : rows.grad_branch_NW + row * width;
  const DropoutMask mask(rows.dropout);
  for_columns(width, [&](int64_t i, const auto& lanes) {
    const Floats n = (lanes.load(x + i) - mean) * rstd;
    const Floats g = grad.at(i, lanes) * lanes.load(rows.weight_W + i);
    // This ends with a subtraction, so adding `carried` is no fused multiply-add and gives the bits
    // of autograd's sum.
    Floats dx = (g - g_mean) * rstd - n * scaled_gn_mean;
    if (carried != nullptr) dx += lanes.load(carried + i);
    lanes.store(result + i, dx);
    if (grad_branch != nullptr) {
      if (mask.active()) dx *= mask.factors(row, i);
      lanes.store(grad_branch + i, dx);
    }
    if (grad_branch_bias != nullptr) add_to(grad_branch_bias + i, dx, lanes);
  });
}

template <class T>
void add_norm_gradient(const AddNormGradientRows<T>& rows, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    if (row % kBlockRows == 0) {
      clear_block(rows.grad_weight_CW, row, rows.width);
      clear_block(rows.grad_bias_CW, row, rows.width);
      clear_block(rows.grad_branch_bias_CW, row, rows.width);
    }
    add_norm_gradient_row(rows, row);
  }
}

template <class T>
void dropout(const DropoutRows<T>& rows, int64_t begin, int64_t end) {
  const DropoutMask mask(rows.draw);
  for (int64_t row = begin; row < end; ++row) {
    const T* x = rows.x_NW + row * rows.width;
    T* y = rows.y_NW + row * rows.width;
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      lanes.store(y + i, lanes.load(x + i) * mask.factors(row, i));
    });
  }
}

template <class T, class Phi>
inline void bias_gelu_with(const Phi& phi, const BiasGeluRows<T>& rows, int64_t begin,
                           int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const T* x = rows.x_NW + row * rows.width;
    T* y = rows.y_NW + row * rows.width;
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      const Floats u = lanes.load(x + i) + lanes.load(rows.bias_W + i);
      lanes.store(y + i, u * phi(u).phi);
    });
  }
}

template <class T>
void bias_gelu(const BiasGeluRows<T>& rows, int64_t begin, int64_t end) {
  if (rows.kind == GeluKind::kTanh) {
    bias_gelu_with([](const Floats& u) { return phi_by_tanh(u); }, rows, begin, end);
  } else {
    bias_gelu_with([](const Floats& u) { return phi_by_erf(u); }, rows, begin, end);
  }
}

template <class T, class Phi>
inline void bias_gelu_gradient_with(const Phi& phi, const BiasGeluGradientRows<T>& rows,
                                    int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    float* grad_bias = block_of(rows.grad_bias_CW, row, rows.width);
    if (row % kBlockRows == 0) clear_block(rows.grad_bias_CW, row, rows.width);
    const T* x = rows.x_NW + row * rows.width;
    const T* grad_y = rows.grad_y_NW + row * rows.width;
    T* grad_x = rows.grad_x_NW + row * rows.width;
    T* y = rows.y_NW == nullptr ? nullptr : rows.y_NW + row * rows.width;
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      const Floats u = lanes.load(x + i) + lanes.load(rows.bias_W + i);
      const PhiAndSlope found = phi(u);
      if (y != nullptr) lanes.store(y + i, u * found.phi);
      const Floats grad = lanes.load(grad_y + i) * (found.phi + found.x_slope);
      lanes.store(grad_x + i, grad);
      add_to(grad_bias + i, grad, lanes);
    });
  }
}

template <class T>
void bias_gelu_gradient(const BiasGeluGradientRows<T>& rows, int64_t begin, int64_t end) {
  if (rows.kind == GeluKind::kTanh) {
    bias_gelu_gradient_with([](const Floats& u) { return phi_by_tanh(u); }, rows, begin, end);
  } else {
    bias_gelu_gradient_with([](const Floats& u) { return phi_by_erf(u); }, rows, begin, end);
  }
}

// The logistic function and one minus it; neither overflows or cancels.
struct Logistic {
  explicit Logistic(const Floats& x) {
    const Floats e = exp_of_negative(-absolute(x));
    const Floats larger = 1.0F / (1.0F + e);
    const Floats smaller = e * larger;
    value = x < 0.0F ? smaller : larger;
    rest = x < 0.0F ? larger : smaller;
  }
  Floats value, rest;
};

// An activation and its slope.
struct Activated {
  Floats value, slope;
};

inline Activated silu(const Floats& x) {
  const Logistic logistic(x);
  const Floats value = x * logistic.value;
  return {value, logistic.value + value * logistic.rest};
}

inline Activated gelu(const Floats& x) {
  const PhiAndSlope found = phi_by_erf(x);
  return {x * found.phi, found.phi + found.x_slope};
}

template <class T, class Activate>
inline void gated_with(const Activate& activate, const GatedRows<T>& rows, int64_t begin,
                       int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const T* gate = rows.x_N2I + row * 2 * rows.width;
    const T* up = gate + rows.width;
    T* y = rows.y_NI + row * rows.width;
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      lanes.store(y + i, activate(lanes.load(gate + i)).value * lanes.load(up + i));
    });
  }
}

template <class T>
void gated(const GatedRows<T>& rows, int64_t begin, int64_t end) {
  if (rows.kind == GateKind::kSilu) {
    gated_with([](const Floats& x) { return silu(x); }, rows, begin, end);
  } else {
    gated_with([](const Floats& x) { return gelu(x); }, rows, begin, end);
  }
}

template <class T, class Activate>
inline void gated_gradient_with(const Activate& activate, const GatedGradientRows<T>& rows,
                                int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const T* gate = rows.x_N2I + row * 2 * rows.width;
    const T* up = gate + rows.width;
    const T* grad_y = rows.grad_y_NI + row * rows.width;
    T* grad_gate = rows.grad_x_N2I + row * 2 * rows.width;
    T* grad_up = grad_gate + rows.width;
    T* y = rows.y_NI == nullptr ? nullptr : rows.y_NI + row * rows.width;
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      const Activated found = activate(lanes.load(gate + i));
      const Floats u = lanes.load(up + i);
      const Floats grad = lanes.load(grad_y + i);
      if (y != nullptr) lanes.store(y + i, found.value * u);
      lanes.store(grad_up + i, grad * found.value);
      lanes.store(grad_gate + i, grad * u * found.slope);
    });
  }
}

template <class T>
void gated_gradient(const GatedGradientRows<T>& rows, int64_t begin, int64_t end) {
  if (rows.kind == GateKind::kSilu) {
    gated_gradient_with([](const Floats& x) { return silu(x); }, rows, begin, end);
  } else {
    gated_gradient_with([](const Floats& x) { return gelu(x); }, rows, begin, end);
  }
}

// Returns the sum of e^(x - top) over the row. It is added up in pieces, so that it is exact to a
// few roundings for any width. In float32 the exponentials replace the row.
template <class T>
inline double exponentiate(T* row, int64_t width, float top) {
  constexpr int64_t kPiece = 2048;
  double total = 0.0;
  for (int64_t begin = 0; begin < width; begin += kPiece) {
    T* piece = row + begin;
    Floats piece_total = {};
    for_columns(width - begin < kPiece ? width - begin : kPiece, [&](int64_t i, const auto& lanes) {
      const Floats e = exp_of_negative(lanes.load(piece + i, top - 100.0F) - top);
      if constexpr (kIsFloat<T>) lanes.store(piece + i, e);
      piece_total += e;
    });
    total += static_cast<double>(sum(piece_total));
  }
  return total;
}

template <class T>
void cross_entropy(const CrossEntropyRows<T>& rows, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    T* row = rows.logits_NV + n * rows.width;
    T* target = row + rows.target_N[n];
    const float first = load_part(row, 1)[0];
    Floats tops = Floats{} + first;
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      tops = larger(lanes.load(row + i, first), tops);
    });
    const float top = largest(tops);
    const float target_logit = load_part(target, 1)[0] - top;
    const double total = exponentiate(row, rows.width, top);
    const float inverse = static_cast<float>(1.0 / total);
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      // Rounded to bf16, the exponentials would lose what the sum needs. So they are computed
      // again.
      const Floats e =
          kIsFloat<T> ? lanes.load(row + i) : exp_of_negative(lanes.load(row + i) - top);
      lanes.store(row + i, e * inverse);
    });
    if constexpr (kIsFloat<T>) {
      *target -= 1.0F;
    } else {
      store_part(target, exp_of_negative(Floats{} + target_logit) * inverse - 1.0F, 1);
    }
    rows.loss_N[n] = static_cast<float>(__builtin_log(total)) - target_logit;
  }
}

void column_sums(const ColumnSumRows& rows, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    if (row % kBlockRows == 0) clear_block(rows.sums_CW, row, rows.width);
    const Bf16* x = rows.x_NW + row * rows.width;
    float* sums = block_of(rows.sums_CW, row, rows.width);
    for_columns(rows.width,
                [&](int64_t i, const auto& lanes) { add_to(sums + i, lanes.load(x + i), lanes); });
  }
}

void add(const AddRows& rows, int64_t begin, int64_t end) {
  const int64_t first = begin * rows.width;
  for_columns((end - begin) * rows.width, [&](int64_t i, const auto& lanes) {
    add_to(rows.sum_NW + first + i, lanes.load(rows.x_NW + first + i), lanes);
  });
}

template <class T>
constexpr ElementKernels<T> kElementKernels = {.add_norm = add_norm<T>,
                                               .norm = norm<T>,
                                               .add_norm_gradient = add_norm_gradient<T>,
                                               .dropout = dropout<T>,
                                               .bias_gelu = bias_gelu<T>,
                                               .bias_gelu_gradient = bias_gelu_gradient<T>,
                                               .gated = gated<T>,
                                               .gated_gradient = gated_gradient<T>,
                                               .rotate = rotate<T>,
                                               .rotate_gradient = rotate_gradient<T>,
                                               .cross_entropy = cross_entropy<T>,
                                               .attention = {attention<T>, attention_gradient<T>}};

constexpr RowKernels kRowKernels = {.fp32 = kElementKernels<float>,
                                    .bf16 = kElementKernels<Bf16>,
                                    .column_sums = column_sums,
                                    .add = add};

}  // namespace
}  // namespace apollo
