// Matrix products of each library against float64.
#include "ops/matmul.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/mm.h>
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <vector>

#include "base/error.h"
#include "ops/onednn.h"

namespace apollo {
namespace {

std::vector<MatmulLibrary> libraries() {
  std::vector<MatmulLibrary> found{MatmulLibrary::kLibTorch};
  if (onednn() != nullptr) found.push_back(MatmulLibrary::kOneDnn);
  return found;
}

at::Tensor draw(std::vector<int64_t> shape, uint64_t seed) {
  auto random = at::make_generator<at::CPUGeneratorImpl>(seed);
  return at::empty(shape, at::kFloat).normal_(0.0, 1.0, random);
}

// Returns a matrix [rows, columns] with several memory layouts: dense, transposed, part of wider
// rows, every second row, every second column.
std::vector<at::Tensor> layouts(int64_t rows, int64_t columns, uint64_t seed) {
  return {draw({rows, columns}, seed), draw({columns, rows}, seed).t(),
          draw({rows, columns + 3}, seed).slice(1, 2, columns + 2),
          draw({2 * rows, columns}, seed).slice(0, 0, 2 * rows, 2),
          draw({rows, 2 * columns}, seed).slice(1, 0, 2 * columns, 2)};
}

double relative_error(const at::Tensor& found, const at::Tensor& expected) {
  return at::linalg_vector_norm(found.to(at::kDouble) - expected).item<double>() /
         at::linalg_vector_norm(expected).item<double>();
}

constexpr std::array<std::array<int64_t, 3>, 6> kSizes{
    {{1, 1, 1}, {1, 7, 5}, {5, 1, 3}, {17, 33, 1}, {67, 129, 35}, {300, 64, 257}}};
constexpr double kBound = 1e-6;

TEST(Matmul, EqualsFloat64InEveryLayout) {
  for (const MatmulLibrary library : libraries()) {
    const MatmulScope scope(library);
    for (const auto& [m, k, n] : kSizes) {
      for (const at::Tensor& a : layouts(m, k, 1)) {
        for (const at::Tensor& b : layouts(k, n, 2)) {
          const at::Tensor exact = at::mm(a.to(at::kDouble), b.to(at::kDouble));
          EXPECT_LT(relative_error(matrix_product(a, b), exact), kBound)
              << m << ' ' << k << ' ' << n;
        }
      }
    }
  }
}

TEST(Matmul, AddsTheBiasToEveryRow) {
  for (const MatmulLibrary library : libraries()) {
    const MatmulScope scope(library);
    const at::Tensor a = draw({67, 33}, 1), b = draw({33, 21}, 2), bias = draw({21}, 3);
    const at::Tensor exact = at::addmm(bias.to(at::kDouble), a.to(at::kDouble), b.to(at::kDouble));
    EXPECT_LT(relative_error(matrix_product_with_bias(bias, a, b), exact), kBound);
  }
}

TEST(Matmul, AddsToASumInPlace) {
  for (const MatmulLibrary library : libraries()) {
    const MatmulScope scope(library);
    for (const at::Tensor& sum : layouts(67, 21, 3)) {
      const at::Tensor a = draw({33, 67}, 1).t(), b = draw({33, 21}, 2);
      const at::Tensor exact = sum.to(at::kDouble) + at::mm(a.to(at::kDouble), b.to(at::kDouble));
      const void* place = sum.const_data_ptr();
      add_matrix_product(sum, a, b);
      EXPECT_LT(relative_error(sum, exact), kBound);
      EXPECT_EQ(sum.const_data_ptr(), place);
    }
  }
}

TEST(Matmul, AddsAMultipleToAMultipleOfTheSum) {
  for (const MatmulLibrary library : libraries()) {
    const MatmulScope scope(library);
    for (const at::Tensor& sum : layouts(67, 21, 3)) {
      const at::Tensor a = draw({33, 67}, 1).t(), b = draw({33, 21}, 2);
      const at::Tensor exact =
          -4.775 * sum.to(at::kDouble) + 2.0315 * at::mm(a.to(at::kDouble), b.to(at::kDouble));
      add_matrix_product(sum, a, b, /*kept=*/-4.775, /*factor=*/2.0315);
      EXPECT_LT(relative_error(sum, exact), kBound);
    }
  }
}

TEST(Matmul, DoesNotReadWhatTheResultsMemoryHeld) {
  for (const MatmulLibrary library : libraries()) {
    const MatmulScope scope(library);
    const at::Tensor a = draw({64, 64}, 1), b = draw({64, 64}, 2);
    for (int i = 0; i < 4; ++i) {
      at::empty({64, 64}, at::kFloat).fill_(std::numeric_limits<float>::quiet_NaN());
      EXPECT_TRUE(matrix_product(a, b).isfinite().all().item<bool>());
    }
  }
}

TEST(Matmul, OfOtherTypesAndOfNothingIsATens) {
  for (const MatmulLibrary library : libraries()) {
    const MatmulScope scope(library);
    const at::Tensor a = draw({5, 3}, 1).to(at::kDouble), b = draw({3, 4}, 2).to(at::kDouble);
    EXPECT_TRUE(at::equal(matrix_product(a, b), at::mm(a, b)));
    EXPECT_EQ(matrix_product(draw({0, 3}, 1), draw({3, 4}, 2)).sizes(),
              (std::vector<int64_t>{0, 4}));
    EXPECT_THROW(matrix_product(draw({2, 3}, 1), draw({4, 2}, 2)), c10::Error);
  }
}

TEST(Matmul, IsRecordedByAutogradWhereItHasTo) {
  for (const MatmulLibrary library : libraries()) {
    const MatmulScope scope(library);
    const at::Tensor a = draw({5, 3}, 1).requires_grad_(true);
    matrix_product(a, draw({3, 4}, 2)).sum().backward();
    EXPECT_TRUE(a.grad().defined());
    const at::NoGradGuard no_grad;
    EXPECT_FALSE(matrix_product(a, draw({3, 4}, 2)).requires_grad());
  }
}

TEST(Matmul, LeavesMixedPrecisionToATen) {
  for (const MatmulLibrary library : libraries()) {
    const MatmulScope scope(library);
    at::autocast::set_autocast_enabled(at::kCPU, true);
    const at::Tensor product = matrix_product(draw({5, 3}, 1), draw({3, 4}, 2));
    at::autocast::set_autocast_enabled(at::kCPU, false);
    EXPECT_EQ(product.scalar_type(), at::kBFloat16);
  }
}

TEST(Matmul, GivesTheSameBitsAgain) {
  const int threads = at::get_num_threads();
  for (const MatmulLibrary library : libraries()) {
    const MatmulScope scope(library);
    for (const int number : {1, 2}) {
      at::set_num_threads(number);
      // Much longer than wide, like the factors of weight gradients, so threads share the sum.
      const at::Tensor a = draw({4096, 48}, 1).t(), b = draw({4096, 40}, 2);
      const at::Tensor first = matrix_product(a, b);
      for (int i = 0; i < 20; ++i)
        EXPECT_TRUE(at::equal(matrix_product(a, b), first));
    }
  }
  at::set_num_threads(threads);
}

TEST(Matmul, SaysWhichLibraryItUses) {
  {
    const MatmulScope scope(MatmulLibrary::kLibTorch);
    EXPECT_EQ(matmul_library_name(), "LibTorch's BLAS");
  }
  if (onednn() == nullptr) {
    EXPECT_THROW(MatmulScope(MatmulLibrary::kOneDnn), UsageError);
    GTEST_SKIP() << "oneDNN (libdnnl-dev) is not installed";
  }
  const MatmulScope scope(MatmulLibrary::kOneDnn);
  EXPECT_EQ(matmul_library_name().substr(0, 7), "oneDNN ");
}

}  // namespace
}  // namespace apollo
