// The parts of a transformer block that architectures share.
#pragma once

#include <ATen/core/Tensor.h>

#include "model/model.h"
#include "ops/elementwise.h"
#include "ops/linear.h"

namespace apollo {

// The layer whose output is that of `layer` times `factor`.
LinearLayer scaled(const LinearLayer& layer, double factor);

// gelu(x W + b), or gelu(x W) where there is no b.
at::Tensor linear_gelu(const Norm& x, const LinearLayer& layer, GeluKind kind, Kernels kernels);

// The end of a residual branch: sum = residual + dropout(x W + b), and the LayerNorm of it.
SumAndNorm add_linear_and_norm(const at::Tensor& residual, const at::Tensor& x,
                               const LinearLayer& layer, const NormLayer& norm,
                               const DropoutDraw& dropout, Kernels kernels);

// The MLP's branch: sum = residual + dropout(gelu(x W1 + b1) W2 + b2), and the LayerNorm of it.
SumAndNorm add_mlp_and_norm(const at::Tensor& residual, const Norm& x, const LinearLayer& inner,
                            GeluKind kind, const LinearLayer& outer, const NormLayer& norm,
                            const DropoutDraw& dropout, Kernels kernels);

// Throws UsageError where a sequence is longer than the context.
void check_length(const ModelSpec& spec, int64_t length);

// Where dropout acts in a pass.
enum class DropoutSite : uint32_t {
  kEmbedding,
  kAttentionWeights,
  kAttentionBranch,
  kMlpBranch,
  kHead
};

// What dropout draws at a site of the block in this place of the pass (0 outside of the blocks):
// none but while training. No two sites of a pass draw alike, though their layers may be one.
DropoutDraw dropout_at(DropoutSite site, int64_t place, const ModelSpec& spec,
                       const PassOptions& options);

}  // namespace apollo
