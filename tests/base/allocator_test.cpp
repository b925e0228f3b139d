#include "base/allocator.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace apollo {
namespace {

TEST(Allocator, SaysWhatWasSet) {
  ::unsetenv("GLIBC_TUNABLES");
  set_allocator();
  EXPECT_EQ(allocator_settings(), "glibc, blocks below 32 MiB kept");
}

TEST(Allocator, LeavesAloneWhatTheUserSet) {
  ::setenv("GLIBC_TUNABLES", "glibc.malloc.check=0", /*overwrite=*/1);
  set_allocator();
  EXPECT_EQ(allocator_settings(), "glibc, set by GLIBC_TUNABLES");
  ::unsetenv("GLIBC_TUNABLES");
  ::setenv("MALLOC_ARENA_MAX", "2", /*overwrite=*/1);
  set_allocator();
  EXPECT_EQ(allocator_settings(), "glibc, set by MALLOC_ARENA_MAX");
  ::unsetenv("MALLOC_ARENA_MAX");
}

}  // namespace
}  // namespace apollo
