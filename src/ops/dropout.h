// Dropout zeroes each element with a probability and divides the others by the probability of being
// kept, so that the mean stays.
//
// On the CPU the zeroed elements depend only on the draw's key and on their places, in every form.
// kFused runs our own kernel as elementwise.h says, which keeps no mask for the backward pass.
// kReference and other types multiply by the same mask as a tensor. On other devices ATen draws
// from the device's generator, which seed_dropout() seeds for each pass: recorded passes
// (device_graph.h) can be repeated with another seed but not with another key. elementwise.h and
// attention.h have operators that include dropout.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

#include "config/run_config.h"
#include "ops/dropout_draw.h"

namespace apollo {

// x: [..., W].
at::Tensor dropout(const at::Tensor& x, const DropoutDraw& draw, Kernels kernels);

// Seeds the dropout of the next pass with its key; does nothing on the CPU.
void seed_dropout(at::Device device, uint64_t key);

// What follows is only for the operators of this folder.

// Returns dropout() composed of ATen's operators.
at::Tensor composed_dropout(const at::Tensor& x, const DropoutDraw& draw);

// Returns x with this draw's elements zeroed and the others scaled; x: [..., W], dense float32 on
// the CPU.
at::Tensor masked(const at::Tensor& x, const DropoutDraw& draw);

// Save and load a draw for the backward pass.
void save_draw(torch::autograd::AutogradContext& context, const DropoutDraw& draw);
DropoutDraw saved_draw(const torch::autograd::AutogradContext& context);

}  // namespace apollo
