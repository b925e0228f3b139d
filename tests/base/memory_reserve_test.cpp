#include "base/memory_reserve.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <new>
#include <string>
#include <vector>

#include "base/allocator.h"

namespace apollo {
namespace {

constexpr size_t kBlock = 64 << 10;

int64_t address_space_in_use() {
  int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * ::sysconf(_SC_PAGESIZE);
}

// As the JSON library's values: it needs memory to go.
struct NeedsMemoryToGo {
  ~NeedsMemoryToGo() { std::vector<char>(4 * kBlock, 'x').swap(taken); }
  std::vector<char> taken;
};

// With the program's own settings of the allocator.
void limit_memory() {
  set_allocator();
  keep_memory_reserve();
  const auto bytes = static_cast<rlim_t>(address_space_in_use() + (int64_t{100} << 20));
  const rlimit limit = {bytes, bytes};
  ::setrlimit(RLIMIT_AS, &limit);
}

[[noreturn]] void fail_to_allocate() {
  std::vector<char*> blocks;
  blocks.reserve(1 << 20);
  limit_memory();
  try {
    const NeedsMemoryToGo value;
    while (true)
      blocks.push_back(new char[kBlock]);
  } catch (const std::bad_alloc&) {
    ::_exit(std::string(kBlock, 'x').size() == kBlock ? 0 : 1);
  }
}

[[noreturn]] void fail_to_destroy() {
  std::vector<void*> blocks;
  blocks.reserve(1 << 20);
  limit_memory();
  {
    const NeedsMemoryToGo value;
    // Not by `new`, which would find the reserve.
    while (void* block = std::malloc(kBlock))
      blocks.push_back(block);
  }
  ::_exit(blocks.empty() ? 1 : 0);
}

// An address space of a fixed size holds no sanitizer's shadow.
#if !defined(__SANITIZE_ADDRESS__)
TEST(MemoryReserve, DestructorsOnTheWayToTheErrorMayAllocate) {
  EXPECT_EXIT(fail_to_allocate(), testing::ExitedWithCode(0), "");
}

TEST(MemoryReserve, ADestructorMayBeTheFirstToFindNoMemory) {
  EXPECT_EXIT(fail_to_destroy(), testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace apollo
