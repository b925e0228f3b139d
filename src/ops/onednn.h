// oneDNN's matrix product, from the system's library if it is installed (Debian: libdnnl-dev).
// LibTorch contains a oneDNN too, but it cannot be called from outside.
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

// Returns null if the library is not installed, is too old, or would run on an OpenMP of its own,
// whose threads nobody counts. It is looked for only once.
const OneDnn* onednn();

}  // namespace apollo
