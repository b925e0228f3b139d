// The loops behind elementwise.h and linear_cross_entropy.h: float32 on the CPU, one row of an
// [N, W] matrix after the other. The same source (row_kernels_body.h) is compiled once per
// instruction set, and the program chooses when it runs. So one binary starts on every machine and
// is fast on each.
//
// Gradients that are sums over rows (of biases and norm weights) come as one partial sum for each
// block of kBlockRows rows, so that neither the number of threads nor their timing can change them.
#pragma once

#include <cstdint>

#include "ops/attention_kernels.h"

namespace apollo {

// Which function GELU is: x P(X < x) of a normal X, or its approximation by tanh.
enum class GeluKind { kErf, kTanh };

// How a gated MLP activates its first factor: silu(x) = x / (1 + e^-x), or GELU by erf.
enum class GateKind { kSilu, kGelu };

constexpr int64_t kBlockRows = 64;

// sum = residual + dropout(branch + branch_bias); norm = (sum - mean) * rstd * weight + bias.
// LayerNorm uses the mean and the reciprocal standard deviation of each row. RMSNorm uses a mean of
// 0 and the reciprocal root of the mean square. Matrices are [N, W] and dense.
struct AddNormRows {
  int64_t width;
  bool centred;  // LayerNorm; else RMSNorm
  float epsilon;
  const float* residual_NW;
  const float* branch_NW;      // null: nothing is added, and `sum` is not written
  const float* branch_bias_W;  // null: none
  DropoutDraw dropout;         // of branch + branch_bias
  const float* weight_W;
  const float* bias_W;  // null: none
  float* sum_NW;
  float* norm_NW;
  float* mean_N;
  float* rstd_N;
};

// Computes the norm of AddNormRows again, to the same bits.
struct NormRows {
  int64_t width;
  const float* sum_NW;
  const float* mean_N;
  const float* rstd_N;
  const float* weight_W;
  const float* bias_W;  // null: none
  float* norm_NW;
};

// grad_sum = grad_carried + the gradient that comes through the norm.
struct AddNormGradientRows {
  int64_t width;
  bool centred;
  const float* sum_NW;
  const float* mean_N;
  const float* rstd_N;
  const float* weight_W;
  const float* grad_norm_NW;
  const float* grad_carried_NW;  // null: zero
  float* grad_sum_NW;
  DropoutDraw dropout;    // as in the forward pass
  float* grad_branch_NW;  // with dropout; null: none, and grad_sum is the branch's gradient too
  float* grad_weight_CW;  // C blocks: partial sums, written by this call
  float* grad_bias_CW;    // likewise; null: not needed
  float* grad_branch_bias_CW;  // likewise; null: not needed
};

// y = x with the draw's elements zeroed and the others scaled.
struct DropoutRows {
  int64_t width;
  DropoutDraw draw;
  const float* x_NW;
  float* y_NW;
};

// y = gelu(x + bias).
struct BiasGeluRows {
  int64_t width;
  GeluKind kind;
  const float* x_NW;
  const float* bias_W;
  float* y_NW;
};

struct BiasGeluGradientRows {
  int64_t width;
  GeluKind kind;
  const float* x_NW;
  const float* bias_W;
  const float* grad_y_NW;
  float* grad_x_NW;     // may be grad_y_NW
  float* grad_bias_CW;  // C blocks: partial sums, written by this call
  float* y_NW;          // the GELU again; null: not needed
};

// y = act(gate) * up; each row of x holds gate and up side by side.
struct GatedRows {
  int64_t width;  // I, the width of y
  GateKind kind;
  const float* x_N2I;
  float* y_NI;
};

struct GatedGradientRows {
  int64_t width;
  GateKind kind;
  const float* x_N2I;
  const float* grad_y_NI;
  float* grad_x_N2I;
  float* y_NI;  // y again; null: not needed
};

// Each row holds queries, keys and values of one position as in attention.h, X = (H + 2 G) K with H
// query and G key-value heads. Each query and key head is divided by the root of its mean square
// and multiplied by a weight, if there is one, and then rotated: elements i and i + R of it, R = K
// / 2, turn by the angle whose cosine and sine are at (row % T, i). Values are copied.
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
  const float* qkv_NX;  // null for a gradient without a norm
  float* rotated_NX;
  float* rstd_NH;  // reciprocal root mean square of each query and key head; null: no norm
};

struct RotateGradientRows {
  RotateRows forward;  // its rstd is an input
  const float* grad_rotated_NX;
  float* grad_qkv_NX;
  float* grad_query_weight_CK;  // C blocks: partial sums, written by this call; null without a norm
  float* grad_key_weight_CK;
};

// loss = -log softmax(logits)[target]. The logits are replaced by their gradient,
// softmax(logits) - one_hot(target).
struct CrossEntropyRows {
  int64_t width;
  const int64_t* target_N;  // each in [0, width)
  float* logits_NV;
  float* loss_N;
};

// The loops over rows [begin, end). For those that make partial sums, `begin` is a multiple of
// kBlockRows.
struct RowKernels {
  void (*add_norm)(const AddNormRows& rows, int64_t begin, int64_t end);
  void (*norm)(const NormRows& rows, int64_t begin, int64_t end);
  void (*add_norm_gradient)(const AddNormGradientRows& rows, int64_t begin, int64_t end);
  void (*dropout)(const DropoutRows& rows, int64_t begin, int64_t end);
  void (*bias_gelu)(const BiasGeluRows& rows, int64_t begin, int64_t end);
  void (*bias_gelu_gradient)(const BiasGeluGradientRows& rows, int64_t begin, int64_t end);
  void (*gated)(const GatedRows& rows, int64_t begin, int64_t end);
  void (*gated_gradient)(const GatedGradientRows& rows, int64_t begin, int64_t end);
  void (*rotate)(const RotateRows& rows, int64_t begin, int64_t end);
  void (*rotate_gradient)(const RotateGradientRows& rows, int64_t begin, int64_t end);
  void (*cross_entropy)(const CrossEntropyRows& rows, int64_t begin, int64_t end);
  AttentionKernels attention;
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
