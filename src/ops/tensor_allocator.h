// Memory of tensors on the CPU.
#pragma once

namespace apollo {

// From now on LibTorch's CPU tensors, aligned to 64 bytes as before, lie in blocks of malloc().
// What is freed then fits the next tensor of its size exactly. LibTorch's own allocator asks
// posix_memalign(), which looks for a block with room to align in and cuts off what is too much;
// small objects settle in the cuttings, and a freed block, short of that room, waits for a smaller
// tensor while the heap grows: a fifth of the peak of a training step. Where memory ends, making a
// tensor throws std::bad_alloc.
void set_tensor_allocator();

}  // namespace apollo
