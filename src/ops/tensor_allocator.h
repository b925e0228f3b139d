// Memory of tensors on the CPU.
#pragma once

namespace apollo {

// From now on LibTorch's CPU tensors, still aligned to 64 bytes, lie in blocks of malloc(). A freed
// block then fits the next tensor of its size exactly. LibTorch's own allocator calls
// posix_memalign(), which looks for a block with room to align in and cuts off the rest. Small
// objects settle in the cuttings, and a freed block, now too small, waits for a smaller tensor
// while the heap grows. That costs a fifth of the peak of a training step. If memory runs out,
// creating a tensor throws std::bad_alloc.
void set_tensor_allocator();

}  // namespace apollo
