#include "ops/tensor_allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace apollo {
namespace {

constexpr size_t kAlignment = 64;

// The address of malloc()'s block is stored in front of the data. malloc() aligns to 16 bytes, so
// there are at least as many in front.
void*& block_of(void* data) {
  return static_cast<void**>(data)[-1];
}

void free_block(void* data) {
  if (data != nullptr) std::free(block_of(data));
}

class MallocAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t num_bytes) override {
    void* data = num_bytes == 0 ? nullptr : aligned_block(num_bytes);
    return {data, data, &free_block, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_block; }
  void copy_data(void* to, const void* from, size_t num_bytes) const override {
    std::memcpy(to, from, num_bytes);
  }

 private:
  static void* aligned_block(size_t num_bytes) {
    const bool possible = num_bytes <= std::numeric_limits<size_t>::max() - kAlignment;
    void* block = possible ? std::malloc(num_bytes + kAlignment) : nullptr;
    if (block == nullptr) throw std::bad_alloc();
    const auto address = reinterpret_cast<uintptr_t>(block);
    void* data = static_cast<char*>(block) + (kAlignment - address % kAlignment);
    block_of(data) = block;
    return data;
  }
};

}  // namespace

void set_tensor_allocator() {
  static MallocAllocator allocator;
  c10::SetCPUAllocator(&allocator);
}

}  // namespace apollo
