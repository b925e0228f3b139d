// oneDNN's matrix product, from the system's library where it is installed (Debian: libdnnl-dev).
// LibTorch has a oneDNN inside, which cannot be called from without.
#pragma once

#include <cstdint>
#include <string>

namespace apollo {

struct OneDnn {
  // dnnl_sgemm() of oneDNN's C API, the same since version 1: row-major, zero on success.
  using Sgemm = int (*)(char transa, char transb, int64_t m, int64_t n, int64_t k, float alpha,
                        const float* a, int64_t lda, const float* b, int64_t ldb, float beta,
                        float* c, int64_t ldc);
  Sgemm sgemm;
  std::string version;  // "2.6.3"
};

// Null where it is not installed, too old, or would run on an OpenMP of its own, whose threads
// nobody counts. Looked for once.
const OneDnn* onednn();

}  // namespace apollo
