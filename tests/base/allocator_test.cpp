#include "base/allocator.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace apollo {
namespace {

// Another allocator, a sanitizer's for example, is left alone.
#define SKIP_WITHOUT_GLIBC() \
  if (!allocator_settings().starts_with("glibc")) GTEST_SKIP() << allocator_settings()

TEST(Allocator, SaysWhatWasSet) {
  ::unsetenv("GLIBC_TUNABLES");
  set_allocator();
  SKIP_WITHOUT_GLIBC();
  EXPECT_EQ(allocator_settings(), "glibc, blocks below 32 MiB kept");
}

TEST(Allocator, LeavesAloneWhatTheUserSet) {
  set_allocator();
  SKIP_WITHOUT_GLIBC();
  ::setenv("GLIBC_TUNABLES", "glibc.malloc.check=0", /*overwrite=*/1);
  set_allocator();
  EXPECT_EQ(allocator_settings(), "glibc, set by GLIBC_TUNABLES");
  ::unsetenv("GLIBC_TUNABLES");
  ::setenv("MALLOC_ARENA_MAX", "2", /*overwrite=*/1);
  set_allocator();
  EXPECT_EQ(allocator_settings(), "glibc, set by MALLOC_ARENA_MAX");
  ::unsetenv("MALLOC_ARENA_MAX");
}

double resident_mib() {
  double total = 0.0, resident = 0.0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

TEST(Allocator, GivesFreedBlocksBack) {
  ::unsetenv("GLIBC_TUNABLES");
  set_allocator();
  SKIP_WITHOUT_GLIBC();
  constexpr size_t kBlocks = 256;
  constexpr double kMuch = 128.0;
  const double before = resident_mib();
  {
    std::vector<std::string> blocks;
    for (size_t i = 0; i < kBlocks; ++i)
      blocks.emplace_back(1 << 20, 'x');
    EXPECT_GT(resident_mib(), before + kMuch);
  }
  EXPECT_GT(resident_mib(), before + kMuch) << "they were kept for the next step";
  return_freed_memory();
  EXPECT_LT(resident_mib(), before + kMuch / 2);
}

}  // namespace
}  // namespace apollo
