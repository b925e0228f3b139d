// The parts of a transformer block that architectures share.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/model.h"
#include "ops/elementwise.h"
#include "ops/linear.h"

namespace apollo {

// Returns a layer whose output is `factor` times that of `layer`.
LinearLayer scaled(const LinearLayer& layer, double factor);

// Returns gelu(x W + b), or gelu(x W) if there is no b.
at::Tensor linear_gelu(const Norm& x, const LinearLayer& layer, GeluKind kind, Kernels kernels);

// Ends a residual branch: sum = residual + dropout(x W + b), and the norm of the sum.
SumAndNorm add_linear_and_norm(const at::Tensor& residual, const at::Tensor& x,
                               const LinearLayer& layer, const NormLayer& norm,
                               const DropoutDraw& dropout, Kernels kernels);

// The branch of the MLP: sum = residual + dropout(gelu(x W1 + b1) W2 + b2), and the norm of the
// sum.
SumAndNorm add_mlp_and_norm(const at::Tensor& residual, const Norm& x, const LinearLayer& inner,
                            GeluKind kind, const LinearLayer& outer, const NormLayer& norm,
                            const DropoutDraw& dropout, Kernels kernels);

// Throws UsageError if a sequence is longer than the context.
void check_length(const ModelSpec& spec, int64_t length);

// Where dropout acts in a pass.
enum class DropoutSite : uint32_t {
  kEmbedding,
  kAttentionWeights,
  kAttentionBranch,
  kMlpBranch,
  kHead
};

// Returns what dropout draws at a site of the block at this place of the pass (0 outside the
// blocks). It draws only during training. No two sites of a pass draw alike, even if they share a
// layer.
DropoutDraw dropout_at(DropoutSite site, int64_t place, const ModelSpec& spec,
                       const PassOptions& options);

}  // namespace apollo
