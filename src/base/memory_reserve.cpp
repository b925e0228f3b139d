#include "base/memory_reserve.h"

#include <malloc.h>
#include <sys/mman.h>

#include <atomic>
#include <cstddef>
#include <exception>
#include <new>

namespace apollo {
namespace {

// Where glibc cannot extend its heap, it maps a megabyte at least.
constexpr size_t kBytes = size_t{8} << 20;

std::atomic<void*> to_go_on = nullptr;
std::atomic<void*> to_end = nullptr;

void* reserve() {
  void* const bytes = ::mmap(nullptr, kBytes, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, /*fd=*/-1, /*offset=*/0);
  return bytes == MAP_FAILED ? nullptr : bytes;
}

// Returns whether there was something to give.
bool give(std::atomic<void*>& part) {
  void* const bytes = part.exchange(nullptr);
  if (bytes == nullptr) return false;
  ::munmap(bytes, kBytes);
  ::mallopt(M_TOP_PAD, 0);  // with set_allocator()'s, glibc would ask for 64 MiB to extend its heap
  return true;
}

// The handler of `new`, which tries again when this returns.
void handle_failed_new() {
  if (give(to_go_on)) return;
  const bool is_unwinding = std::uncaught_exceptions() > 0;
  if (!give(to_end) || !is_unwinding) throw std::bad_alloc();
}

}  // namespace

void keep_memory_reserve() {
  if (std::get_new_handler() == handle_failed_new) return;
  to_go_on = reserve();
  to_end = reserve();
  std::set_new_handler(handle_failed_new);
}

}  // namespace apollo
