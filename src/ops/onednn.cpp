#include "ops/onednn.h"

#include <fmt/format.h>

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#include <dlfcn.h>

#include <optional>

namespace apollo {
namespace {

// The beginning of the struct that dnnl_version() points to, unchanged since version 1.
struct Version {
  int major;
  int minor;
  int patch;
};

// LibTorch exports some functions of its own oneDNN (std::call_once of its kernels), and a oneDNN
// that is linked as usual would call those instead of its own. RTLD_DEEPBIND makes it prefer its
// own; AddressSanitizer does not allow this flag.
void* open_library() {
  for (const char* name : {"libdnnl.so.3", "libdnnl.so.2", "libdnnl.so.1"}) {
    if (void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND)) return library;
  }
  return nullptr;
}

bool shares_openmp(void* library) {
  void* const its_own = dlsym(library, "omp_get_max_threads");
  return its_own != nullptr && its_own == dlsym(RTLD_DEFAULT, "omp_get_max_threads");
}

std::optional<OneDnn> load() {
  void* const library = open_library();
  if (library == nullptr || !shares_openmp(library)) return std::nullopt;
  const auto sgemm = reinterpret_cast<OneDnn::Sgemm>(dlsym(library, "dnnl_sgemm"));
  const auto version = reinterpret_cast<const Version* (*)()>(dlsym(library, "dnnl_version"));
  if (sgemm == nullptr || version == nullptr) return std::nullopt;
  const Version& found = *version();
  return OneDnn{sgemm, fmt::format("{}.{}.{}", found.major, found.minor, found.patch)};
}

}  // namespace

const OneDnn* onednn() {
  static const std::optional<OneDnn> library = load();
  return library ? &*library : nullptr;
}

}  // namespace apollo
#else
namespace apollo {

const OneDnn* onednn() {
  return nullptr;
}

}  // namespace apollo
#endif
