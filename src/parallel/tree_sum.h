// Sums by a balanced tree: that of the first half to that of the second, and so on down.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>

namespace apollo {

// The sum of the tensors, in the first of them; the others' content is then lost. One at least.
void add_by_tree(std::span<at::Tensor> parts);

}  // namespace apollo
