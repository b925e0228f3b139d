// Dropout: zeroes each element with a probability and divides the others by that of being kept, so
// that the mean stays.
//
// kFused runs an own kernel as elementwise.h says, which keeps no mask for the backward pass; with
// kReference and elsewhere it is ATen's. The two draw different elements. elementwise.h and
// attention.h have dropout inside operators of theirs.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include "config/run_config.h"
#include "ops/dropout_draw.h"

namespace apollo {

// x: [..., W]; probability in [0, 1].
at::Tensor dropout(const at::Tensor& x, double probability, Kernels kernels);

// What follows is for the operators of this folder.

// From the generator of the CPU that ATen's dropout draws from, so that its seed and state rule
// here too; draws nothing for a probability of 0.
DropoutDraw draw_dropout(double probability);

// x with this draw's elements zeroed and the others scaled; x: [..., W], dense float32.
at::Tensor masked(const at::Tensor& x, const DropoutDraw& draw);

// For the backward pass.
void save_draw(torch::autograd::AutogradContext& context, const DropoutDraw& draw);
DropoutDraw saved_draw(const torch::autograd::AutogradContext& context);

}  // namespace apollo
