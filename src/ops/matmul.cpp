#include "ops/matmul.h"

#include <ATen/TensorOperators.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <optional>

#include "base/error.h"
#include "ops/onednn.h"
#include "ops/parallel_rows.h"
#include "ops/row_tensors.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

namespace apollo {
namespace {

// A matrix as BLAS takes it: neighbouring elements form rows ('N') or columns ('T'), `stride`
// apart.
struct Operand {
  char transposed;
  int64_t stride;
};

std::optional<Operand> as_operand(const at::Tensor& matrix) {
  const int64_t rows = matrix.size(0);
  const int64_t columns = matrix.size(1);
  if (matrix.stride(1) == 1 && matrix.stride(0) >= columns) return Operand{'N', matrix.stride(0)};
  if (matrix.stride(0) == 1 && matrix.stride(1) >= rows) return Operand{'T', matrix.stride(1)};
  return std::nullopt;
}

#ifdef __x86_64__
bool is_amd_zen5_or_later() {
  __builtin_cpu_init();
  if (!__builtin_cpu_is("amd") || !__builtin_cpu_supports("avx512f")) return false;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0) return false;
  const unsigned family = ((eax >> 8) & 0xf) + ((eax >> 20) & 0xff);
  constexpr unsigned kZen5 = 0x1a;
  return family >= kZen5;
}
#else
bool is_amd_zen5_or_later() {
  return false;
}
#endif

// Returns null where ATen's products are the better choice.
const OneDnn* onednn_where_faster() {
  return is_amd_zen5_or_later() ? onednn() : nullptr;
}

const OneDnn*& onednn_in_use() {
  thread_local const OneDnn* library = onednn_where_faster();
  return library;
}

bool suits_onednn(const at::Tensor& tensor) {
  return tensor.device().is_cpu() && tensor.scalar_type() == at::kFloat &&
         tensor.layout() == at::kStrided && !(at::GradMode::is_enabled() && tensor.requires_grad());
}

bool goes_to_onednn(const at::Tensor& a, const at::Tensor& b) {
  if (onednn_in_use() == nullptr || at::autocast::is_autocast_enabled(at::kCPU)) return false;
  if (!suits_onednn(a) || !suits_onednn(b)) return false;
  // ATen reports what is wrong with the sizes.
  return a.dim() == 2 && b.dim() == 2 && a.size(1) == b.size(0) && a.numel() > 0 && b.numel() > 0;
}

// Computes sum = beta sum + alpha a b. Returns false, with nothing done, if BLAS cannot take a
// matrix.
bool multiply_by_onednn(const at::Tensor& sum_MN, float beta, const at::Tensor& a_MK,
                        const at::Tensor& b_KN, float alpha = 1.0F) {
  const auto a = as_operand(a_MK);
  const auto b = as_operand(b_KN);
  const auto sum = as_operand(sum_MN);
  if (!a || !b || !sum || sum->transposed != 'N') return false;
  const int status = onednn_in_use()->sgemm(
      a->transposed, b->transposed, a_MK.size(0), b_KN.size(1), a_MK.size(1), alpha,
      a_MK.const_data_ptr<float>(), a->stride, b_KN.const_data_ptr<float>(), b->stride, beta,
      sum_MN.mutable_data_ptr<float>(), sum->stride);
  if (status != 0) {
    fail<Error>(
        "oneDNN could not multiply [{}, {}] by [{}, {}] (status {}); hint: run.matmul = "
        "\"libtorch\"",
        a_MK.size(0), a_MK.size(1), b_KN.size(0), b_KN.size(1), status);
  }
  return true;
}

void add_bf16_product(const at::Tensor& sum_MN, const at::Tensor& product_MN, double kept,
                      double factor) {
  const bool suits =
      kept == 1.0 && factor == 1.0 && is_dense_float(sum_MN) && is_dense(product_MN, at::kBFloat16);
  if (!suits) {
    sum_MN.mul_(kept).add_(product_MN, factor);
    return;
  }
  const AddRows work{.width = sum_MN.size(1),
                     .x_NW = data_of<const Bf16>(product_MN),
                     .sum_NW = data_of<float>(sum_MN)};
  parallel_rows(sum_MN.size(0), work.width, /*block=*/1,
                [&](int64_t begin, int64_t end) { row_kernels().add(work, begin, end); });
}

}  // namespace

at::Tensor matrix_product(const at::Tensor& a_MK, const at::Tensor& b_KN) {
  if (goes_to_onednn(a_MK, b_KN)) {
    const at::Tensor product_MN = at::empty({a_MK.size(0), b_KN.size(1)}, a_MK.options());
    if (multiply_by_onednn(product_MN, 0.0F, a_MK, b_KN)) return product_MN;
  }
  return at::mm(a_MK, b_KN);
}

at::Tensor matrix_product_with_bias(const at::Tensor& bias_N, const at::Tensor& a_MK,
                                    const at::Tensor& b_KN) {
  if (goes_to_onednn(a_MK, b_KN) && suits_onednn(bias_N)) {
    const at::Tensor sum_MN = at::empty({a_MK.size(0), b_KN.size(1)}, a_MK.options());
    sum_MN.copy_(bias_N.expand_as(sum_MN));
    if (multiply_by_onednn(sum_MN, 1.0F, a_MK, b_KN)) return sum_MN;
  }
  return at::addmm(bias_N, a_MK, b_KN);
}

void add_matrix_product(const at::Tensor& sum_MN, const at::Tensor& a_MK, const at::Tensor& b_KN,
                        double kept, double factor) {
  const bool suits = goes_to_onednn(a_MK, b_KN) && suits_onednn(sum_MN) && sum_MN.dim() == 2 &&
                     sum_MN.size(0) == a_MK.size(0) && sum_MN.size(1) == b_KN.size(1);
  if (suits && multiply_by_onednn(sum_MN, static_cast<float>(kept), a_MK, b_KN,
                                  static_cast<float>(factor))) {
    return;
  }
  if (a_MK.scalar_type() == at::kBFloat16 && sum_MN.scalar_type() == at::kFloat) {
    add_bf16_product(sum_MN, at::mm(a_MK, b_KN), kept, factor);
    return;
  }
  sum_MN.addmm_(a_MK, b_KN, kept, factor);
}

MatmulScope::MatmulScope(MatmulLibrary library) : before_(onednn_in_use()) {
  if (library == MatmulLibrary::kOneDnn && onednn() == nullptr) {
    fail<UsageError>(
        "run.matmul = \"onednn\": no oneDNN is installed that LibTorch's OpenMP can serve; hint: "
        "apt-get install libdnnl-dev, or run.matmul = \"auto\"");
  }
  switch (library) {
    case MatmulLibrary::kAuto:
      onednn_in_use() = onednn_where_faster();
      break;
    case MatmulLibrary::kLibTorch:
      onednn_in_use() = nullptr;
      break;
    case MatmulLibrary::kOneDnn:
      onednn_in_use() = onednn();
      break;
  }
}

MatmulScope::~MatmulScope() {
  onednn_in_use() = static_cast<const OneDnn*>(before_);
}

std::string matmul_library_name() {
  const OneDnn* library = onednn_in_use();
  return library != nullptr ? "oneDNN " + library->version : "LibTorch's BLAS";
}

}  // namespace apollo
