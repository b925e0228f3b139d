// The loops behind elementwise.h and linear_cross_entropy.h: on the CPU, one row of an [N, W]
// matrix after the other. The same source (row_kernels_body.h) is compiled once per instruction
// set, and the program chooses when it runs. So one binary starts on every machine and is fast on
// each.
//
// T is the type of what matrix products read and write: float, or Bf16 in mixed precision
// (mixed_precision.h). Arithmetic is in float32; storing an element rounds it.
//
// Gradients that are sums over rows (of biases and norm weights) come as one partial sum for each
// block of kBlockRows rows, so that neither the number of threads nor their timing can change them.
#pragma once

#include <cstdint>

#include "ops/attention_kernels.h"
#include "ops/bf16.h"

namespace apollo {

// Which function GELU is: x P(X < x) of a normal X, or its approximation by tanh.
enum class GeluKind { kErf, kTanh };

// How a gated MLP activates its first factor: silu(x) = x / (1 + e^-x), or GELU by erf.
enum class GateKind { kSilu, kGelu };

constexpr int64_t kBlockRows = 64;

// sum = residual + dropout(branch + branch_bias); norm = (sum - mean) * rstd * weight + bias.
// LayerNorm uses the mean and the reciprocal standard deviation of each row. RMSNorm uses a mean of
// 0 and the reciprocal root of the mean square. Matrices are [N, W] and dense.
template <class T>
struct AddNormRows {
  int64_t width;
  bool centred;  // LayerNorm; else RMSNorm
  float epsilon;
  const float* residual_NW;
  const T* branch_NW;          // null: nothing is added, and `sum` is not written
  const float* branch_bias_W;  // null: none
  DropoutDraw dropout;         // of branch + branch_bias
  const float* weight_W;
  const float* bias_W;  // null: none
  float* sum_NW;
  T* norm_NW;
  float* exact_NW;  // the norm in float32; null: not needed
  float* mean_N;
  float* rstd_N;
};

// Computes the norm of AddNormRows again, to the same bits.
template <class T>
struct NormRows {
  int64_t width;
  const float* sum_NW;
  const float* mean_N;
  const float* rstd_N;
  const float* weight_W;
  const float* bias_W;  // null: none
  T* norm_NW;
};

// grad_sum = grad_carried + the gradient that comes through the norm.
template <class T>
struct AddNormGradientRows {
  int64_t width;
  bool centred;
  const float* sum_NW;
  const float* mean_N;
  const float* rstd_N;
  const float* weight_W;
  const T* grad_norm_NW;         // null: zero
  const float* grad_exact_NW;    // null: zero
  const float* grad_carried_NW;  // null: zero
  float* grad_sum_NW;
  DropoutDraw dropout;         // as in the forward pass
  T* grad_branch_NW;           // null: none, and grad_sum is the branch's gradient too
  float* grad_weight_CW;       // C blocks: partial sums, written by this call
  float* grad_bias_CW;         // likewise; null: not needed
  float* grad_branch_bias_CW;  // likewise; null: not needed
};

// y = x with the draw's elements zeroed and the others scaled.
template <class T>
struct DropoutRows {
  int64_t width;
  DropoutDraw draw;
  const T* x_NW;
  T* y_NW;
};

// y = gelu(x + bias).
template <class T>
struct BiasGeluRows {
  int64_t width;
  GeluKind kind;
  const T* x_NW;
  const float* bias_W;
  T* y_NW;
};

template <class T>
struct BiasGeluGradientRows {
  int64_t width;
  GeluKind kind;
  const T* x_NW;
  const float* bias_W;
  const T* grad_y_NW;
  T* grad_x_NW;         // may be grad_y_NW
  float* grad_bias_CW;  // C blocks: partial sums, written by this call
  T* y_NW;              // the GELU again; null: not needed
};

// y = act(gate) * up; each row of x holds gate and up side by side.
template <class T>
struct GatedRows {
  int64_t width;  // I, the width of y
  GateKind kind;
  const T* x_N2I;
  T* y_NI;
};

template <class T>
struct GatedGradientRows {
  int64_t width;
  GateKind kind;
  const T* x_N2I;
  const T* grad_y_NI;
  T* grad_x_N2I;
  T* y_NI;  // y again; null: not needed
};

// Each row holds queries, keys and values of one position as in attention.h, X = (H + 2 G) K with H
// query and G key-value heads. Each query and key head is divided by the root of its mean square
// and multiplied by a weight, if there is one (only with T = float), and then rotated: elements i
// and i + R of it, R = K / 2, turn by the angle whose cosine and sine are at (row % T, i). Values
// are copied.
template <class T>
struct RotateRows {
  int64_t length;  // T
  int64_t query_heads;
  int64_t key_heads;
  int64_t head_width;  // K, even
  const float* cos_TR;
  const float* sin_TR;
  float epsilon;
  const float* query_weight_K;  // both weights are null if there is no norm
  const float* key_weight_K;
  const T* qkv_NX;  // null for a gradient without a norm
  T* rotated_NX;
  float* rstd_NH;  // reciprocal root mean square of each query and key head; null: no norm
};

template <class T>
struct RotateGradientRows {
  RotateRows<T> forward;  // its rstd is an input
  const T* grad_rotated_NX;
  T* grad_qkv_NX;
  float* grad_query_weight_CK;  // C blocks: partial sums, written by this call; null without a norm
  float* grad_key_weight_CK;
};

// loss = -log softmax(logits)[target]. The logits are replaced by their gradient,
// softmax(logits) - one_hot(target).
template <class T>
struct CrossEntropyRows {
  int64_t width;
  const int64_t* target_N;  // each in [0, width)
  T* logits_NV;
  float* loss_N;
};

// sums = the sums of the columns of x.
struct ColumnSumRows {
  int64_t width;
  const Bf16* x_NW;
  float* sums_CW;  // C blocks: partial sums, written by this call
};

// sum = sum + x.
struct AddRows {
  int64_t width;
  const Bf16* x_NW;
  float* sum_NW;
};

// The loops over rows [begin, end). For those that make partial sums, `begin` is a multiple of
// kBlockRows.
template <class T>
struct ElementKernels {
  void (*add_norm)(const AddNormRows<T>& rows, int64_t begin, int64_t end);
  void (*norm)(const NormRows<T>& rows, int64_t begin, int64_t end);
  void (*add_norm_gradient)(const AddNormGradientRows<T>& rows, int64_t begin, int64_t end);
  void (*dropout)(const DropoutRows<T>& rows, int64_t begin, int64_t end);
  void (*bias_gelu)(const BiasGeluRows<T>& rows, int64_t begin, int64_t end);
  void (*bias_gelu_gradient)(const BiasGeluGradientRows<T>& rows, int64_t begin, int64_t end);
  void (*gated)(const GatedRows<T>& rows, int64_t begin, int64_t end);
  void (*gated_gradient)(const GatedGradientRows<T>& rows, int64_t begin, int64_t end);
  void (*rotate)(const RotateRows<T>& rows, int64_t begin, int64_t end);
  void (*rotate_gradient)(const RotateGradientRows<T>& rows, int64_t begin, int64_t end);
  void (*cross_entropy)(const CrossEntropyRows<T>& rows, int64_t begin, int64_t end);
  AttentionKernels<T> attention;
};

struct RowKernels {
  ElementKernels<float> fp32;
  ElementKernels<Bf16> bf16;
  void (*column_sums)(const ColumnSumRows& rows, int64_t begin, int64_t end);
  void (*add)(const AddRows& rows, int64_t begin, int64_t end);
};

enum class InstructionSet { kPortable, kAvx2, kAvx512 };

bool is_supported(InstructionSet set);

// Returns the kernels in use: those of the best instruction set that the machine has.
const RowKernels& row_kernels();

// For tests: makes row_kernels() return those of another supported set during its lifetime. No
// kernel may run meanwhile.
class InstructionSetScope {
 public:
  explicit InstructionSetScope(InstructionSet set);
  ~InstructionSetScope();
  InstructionSetScope(const InstructionSetScope&) = delete;
  InstructionSetScope& operator=(const InstructionSetScope&) = delete;

 private:
  const RowKernels* before_;
};

}  // namespace apollo
