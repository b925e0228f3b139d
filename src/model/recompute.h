// Blocks whose activations are not kept for the backward pass but computed again during it (Chen et
// al., "Training Deep Nets with Sublinear Memory Cost", 2016). This costs one more forward pass of
// the block and saves the memory of everything between its input and its output.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "model/model.h"

namespace apollo {

// A block as a function of its input only, [B, T, W] -> [B, T, W]. It and everything that it refers
// to must outlive the backward pass.
using BlockFunction = std::function<at::Tensor(const at::Tensor& x_BTW)>;

// Runs the blocks that do not train without recording anything for the backward pass, which begins
// above them. Returns their output.
at::Tensor without_gradient(const std::function<at::Tensor()>& frozen_part,
                            const PassOptions& options);

// Returns block(x). With options.recompute its activations are computed again in the backward pass
// with the same dropout and precision; values and gradients are the same as if they had been kept.
at::Tensor run_block(const BlockFunction& block, const at::Tensor& x_BTW, bool has_dropout,
                     const PassOptions& options);

}  // namespace apollo
