// Blocks whose activations are not kept for the backward pass but computed again in it (Chen et
// al., "Training Deep Nets with Sublinear Memory Cost", 2016): one more forward pass of the block
// for the memory of all that lies between its input and its output.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>

#include "model/model.h"

namespace apollo {

// A block as a function of its input alone, [B, T, W] -> [B, T, W]. It must outlive the backward
// pass with all that it refers to.
using BlockFunction = std::function<at::Tensor(const at::Tensor& x_BTW)>;

// The activations of the blocks that do not train, without any record for the backward pass;
// that begins above them.
at::Tensor without_gradient(const std::function<at::Tensor()>& frozen_part,
                            const PassOptions& options);

// block(x), kept or, with options.recompute, computed again in the backward pass with the same
// dropout and precision: values and gradients are those of a block that was kept.
at::Tensor run_block(const BlockFunction& block, const at::Tensor& x_BTW, bool has_dropout,
                     const PassOptions& options);

}  // namespace apollo
