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

// Writes residual + dropout(branch + bias) if there is a branch; returns the sum of the row.
inline float add_row(const AddNormRows& rows, int64_t row) {
  const float* residual = rows.residual_NW + row * rows.width;
  Floats total = {};
  if (rows.branch_NW == nullptr) {
    for_columns(rows.width,
                [&](int64_t i, const auto& lanes) { total += lanes.load(residual + i); });
    return sum(total);
  }
  const float* branch = rows.branch_NW + row * rows.width;
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

inline void norm_row(const NormRows& rows, int64_t row) {
  const float mean = rows.mean_N[row];
  const float rstd = rows.rstd_N[row];
  const float* x = rows.sum_NW + row * rows.width;
  float* norm = rows.norm_NW + row * rows.width;
  if (rows.bias_W == nullptr) {
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      const Floats centred = (lanes.load(x + i) - mean) * rstd;
      lanes.store(norm + i, centred * lanes.load(rows.weight_W + i));
    });
    return;
  }
  for_columns(rows.width, [&](int64_t i, const auto& lanes) {
    const Floats centred = (lanes.load(x + i) - mean) * rstd;
    lanes.store(norm + i, centred * lanes.load(rows.weight_W + i) + lanes.load(rows.bias_W + i));
  });
}

void add_norm(const AddNormRows& rows, int64_t begin, int64_t end) {
  const int64_t width = rows.width;
  const float inverse_width = 1.0F / static_cast<float>(width);
  const float* sums_NW = rows.branch_NW == nullptr ? rows.residual_NW : rows.sum_NW;
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
    norm_row({width, sums_NW, rows.mean_N, rows.rstd_N, rows.weight_W, rows.bias_W, rows.norm_NW},
             row);
  }
}

void norm(const NormRows& rows, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row)
    norm_row(rows, row);
}

// With n the row before weight and bias and g = grad_norm * weight, the gradient is
// rstd * (g - mean(g) - n mean(g n)), without mean(g) for RMSNorm.
void add_norm_gradient_row(const AddNormGradientRows& rows, int64_t row) {
  const int64_t width = rows.width;
  const float mean = rows.mean_N[row];
  const float rstd = rows.rstd_N[row];
  const float* x = rows.sum_NW + row * width;
  const float* grad = rows.grad_norm_NW + row * width;
  float* grad_weight = block_of(rows.grad_weight_CW, row, width);
  float* grad_bias = block_of(rows.grad_bias_CW, row, width);
  Floats g_total = {};
  Floats gn_total = {};
  for_columns(width, [&](int64_t i, const auto& lanes) {
    const Floats n = (lanes.load(x + i) - mean) * rstd;
    const Floats grad_here = lanes.load(grad + i);
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
  float* grad_branch = rows.grad_branch_NW == nullptr ? nullptr : rows.grad_branch_NW + row * width;
  const DropoutMask mask(rows.dropout);
  for_columns(width, [&](int64_t i, const auto& lanes) {
    const Floats n = (lanes.load(x + i) - mean) * rstd;
    const Floats g = lanes.load(grad + i) * lanes.load(rows.weight_W + i);
    // This ends with a subtraction, so adding `carried` is no fused multiply-add and gives the bits
    // of autograd's sum.
    Floats dx = (g - g_mean) * rstd - n * scaled_gn_mean;
    if (carried != nullptr) dx += lanes.load(carried + i);
    lanes.store(result + i, dx);
    if (grad_branch != nullptr) {
      dx *= mask.factors(row, i);
      lanes.store(grad_branch + i, dx);
    }
    if (grad_branch_bias != nullptr) add_to(grad_branch_bias + i, dx, lanes);
  });
}

void add_norm_gradient(const AddNormGradientRows& rows, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    if (row % kBlockRows == 0) {
      clear_block(rows.grad_weight_CW, row, rows.width);
      clear_block(rows.grad_bias_CW, row, rows.width);
      clear_block(rows.grad_branch_bias_CW, row, rows.width);
    }
    add_norm_gradient_row(rows, row);
  }
}

void dropout(const DropoutRows& rows, int64_t begin, int64_t end) {
  const DropoutMask mask(rows.draw);
  for (int64_t row = begin; row < end; ++row) {
    const float* x = rows.x_NW + row * rows.width;
    float* y = rows.y_NW + row * rows.width;
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      lanes.store(y + i, lanes.load(x + i) * mask.factors(row, i));
    });
  }
}

template <class Phi>
inline void bias_gelu_with(const Phi& phi, const BiasGeluRows& rows, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* x = rows.x_NW + row * rows.width;
    float* y = rows.y_NW + row * rows.width;
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      const Floats u = lanes.load(x + i) + lanes.load(rows.bias_W + i);
      lanes.store(y + i, u * phi(u).phi);
    });
  }
}

void bias_gelu(const BiasGeluRows& rows, int64_t begin, int64_t end) {
  if (rows.kind == GeluKind::kTanh) {
    bias_gelu_with([](const Floats& u) { return phi_by_tanh(u); }, rows, begin, end);
  } else {
    bias_gelu_with([](const Floats& u) { return phi_by_erf(u); }, rows, begin, end);
  }
}

template <class Phi>
inline void bias_gelu_gradient_with(const Phi& phi, const BiasGeluGradientRows& rows, int64_t begin,
                                    int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    float* grad_bias = block_of(rows.grad_bias_CW, row, rows.width);
    if (row % kBlockRows == 0) clear_block(rows.grad_bias_CW, row, rows.width);
    const float* x = rows.x_NW + row * rows.width;
    const float* grad_y = rows.grad_y_NW + row * rows.width;
    float* grad_x = rows.grad_x_NW + row * rows.width;
    float* y = rows.y_NW == nullptr ? nullptr : rows.y_NW + row * rows.width;
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

void bias_gelu_gradient(const BiasGeluGradientRows& rows, int64_t begin, int64_t end) {
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

template <class Activate>
inline void gated_with(const Activate& activate, const GatedRows& rows, int64_t begin,
                       int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* gate = rows.x_N2I + row * 2 * rows.width;
    const float* up = gate + rows.width;
    float* y = rows.y_NI + row * rows.width;
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      lanes.store(y + i, activate(lanes.load(gate + i)).value * lanes.load(up + i));
    });
  }
}

void gated(const GatedRows& rows, int64_t begin, int64_t end) {
  if (rows.kind == GateKind::kSilu) {
    gated_with([](const Floats& x) { return silu(x); }, rows, begin, end);
  } else {
    gated_with([](const Floats& x) { return gelu(x); }, rows, begin, end);
  }
}

template <class Activate>
inline void gated_gradient_with(const Activate& activate, const GatedGradientRows& rows,
                                int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const float* gate = rows.x_N2I + row * 2 * rows.width;
    const float* up = gate + rows.width;
    const float* grad_y = rows.grad_y_NI + row * rows.width;
    float* grad_gate = rows.grad_x_N2I + row * 2 * rows.width;
    float* grad_up = grad_gate + rows.width;
    float* y = rows.y_NI == nullptr ? nullptr : rows.y_NI + row * rows.width;
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

void gated_gradient(const GatedGradientRows& rows, int64_t begin, int64_t end) {
  if (rows.kind == GateKind::kSilu) {
    gated_gradient_with([](const Floats& x) { return silu(x); }, rows, begin, end);
  } else {
    gated_gradient_with([](const Floats& x) { return gelu(x); }, rows, begin, end);
  }
}

// Replaces the row with e^(x - top) and returns the sum. It is added up in pieces, so that it is
// exact to a few roundings for any width.
inline double exponentiate(float* row, int64_t width, float top) {
  constexpr int64_t kPiece = 2048;
  double total = 0.0;
  for (int64_t begin = 0; begin < width; begin += kPiece) {
    float* piece = row + begin;
    Floats piece_total = {};
    for_columns(width - begin < kPiece ? width - begin : kPiece, [&](int64_t i, const auto& lanes) {
      const Floats e = exp_of_negative(lanes.load(piece + i, top - 100.0F) - top);
      lanes.store(piece + i, e);
      piece_total += e;
    });
    total += static_cast<double>(sum(piece_total));
  }
  return total;
}

void cross_entropy(const CrossEntropyRows& rows, int64_t begin, int64_t end) {
  for (int64_t n = begin; n < end; ++n) {
    float* row = rows.logits_NV + n * rows.width;
    const int64_t target = rows.target_N[n];
    Floats tops = Floats{} + row[0];
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      tops = larger(lanes.load(row + i, row[0]), tops);
    });
    const float top = largest(tops);
    const float target_logit = row[target] - top;
    const double total = exponentiate(row, rows.width, top);
    const float inverse = static_cast<float>(1.0 / total);
    for_columns(rows.width, [&](int64_t i, const auto& lanes) {
      lanes.store(row + i, lanes.load(row + i) * inverse);
    });
    row[target] -= 1.0F;
    rows.loss_N[n] = static_cast<float>(__builtin_log(total)) - target_logit;
  }
}

constexpr RowKernels kRowKernels = {.add_norm = add_norm,
                                    .norm = norm,
                                    .add_norm_gradient = add_norm_gradient,
                                    .dropout = dropout,
                                    .bias_gelu = bias_gelu,
                                    .bias_gelu_gradient = bias_gelu_gradient,
                                    .gated = gated,
                                    .gated_gradient = gated_gradient,
                                    .rotate = rotate,
                                    .rotate_gradient = rotate_gradient,
                                    .cross_entropy = cross_entropy,
                                    .attention = {attention, attention_gradient}};

}  // namespace
}  // namespace apollo
