// Sums by a balanced tree: the sum of the first half plus the sum of the second half, and so on
// down.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

namespace apollo {

// Puts the sum of the tensors, at least one, into the first of them; the content of the others is
// lost.
void add_by_tree(std::span<at::Tensor> parts);

}  // namespace apollo
