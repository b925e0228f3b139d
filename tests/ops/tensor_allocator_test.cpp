// Where tensors are in memory, and that the block of a freed tensor serves the next one.
#include "ops/tensor_allocator.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>

#include <memory>
#include <new>
#include <vector>

#include "base/allocator.h"

namespace apollo {
namespace {

bool is_aligned(const void* data) {
  return reinterpret_cast<uintptr_t>(data) % 64 == 0;
}

TEST(TensorAllocator, TensorsOfAnySizeAreAligned) {
  set_tensor_allocator();
  std::vector<at::Tensor> kept;
  for (int64_t size = 1; size < 300; ++size) {
    kept.push_back(at::arange(size, at::kFloat));
    ASSERT_TRUE(is_aligned(kept.back().data_ptr()));
  }
  for (const at::Tensor& x : kept)
    EXPECT_EQ(x[-1].item<float>(), static_cast<float>(x.size(0) - 1));
  EXPECT_EQ(at::empty({0}).data_ptr(), nullptr);
}

TEST(TensorAllocator, ResizingKeepsTheValues) {
  set_tensor_allocator();
  at::Tensor x = at::arange(10, at::kFloat);
  x.resize_({100'000});
  EXPECT_TRUE(is_aligned(x.data_ptr()));
  EXPECT_TRUE(x.slice(0, 0, 10).equal(at::arange(10, at::kFloat)));
}

TEST(TensorAllocator, AFreedTensorsPlaceServesTheNextOfItsSize) {
  set_allocator();
  set_tensor_allocator();
  const auto make = [] { return at::empty({3 << 20}, at::kByte); };
  std::vector<at::Tensor> tensors;
  std::vector<std::unique_ptr<char[]>> small;
  // Small blocks of all sizes settle wherever there is room, like autograd's objects.
  const auto settle = [&] {
    for (size_t size = 16; size <= 256; size += 16)
      small.push_back(std::make_unique<char[]>(size));
  };
  for (int i = 0; i < 8; ++i) {
    tensors.push_back(make());
    settle();
  }
  const void* const place = tensors[3].data_ptr();
  tensors[3].reset();
  settle();
  EXPECT_EQ(make().data_ptr(), place);
}

TEST(TensorAllocator, MoreThanThereIsThrows) {
  set_tensor_allocator();
  EXPECT_THROW(at::empty({int64_t{1} << 60}, at::kByte), std::bad_alloc);
}

}  // namespace
}  // namespace apollo
