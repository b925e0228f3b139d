#include "base/allocator.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <malloc.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace apollo {
namespace {

// The largest threshold that glibc accepts (HEAP_MAX_SIZE / 2 on 64 bits). Larger blocks are mapped
// one by one and return to the system when they are freed. That is right for parameters and
// moments, because each stage frees those of the stage before.
constexpr int kMmapThreshold = 32 << 20;
constexpr int kTrimThreshold = 1 << 30;
constexpr int kTopPad = 64 << 20;

std::string& settings() {
  static std::string text = "as the system sets it";
  return text;
}

// Returns the first environment variable that is meant for glibc's allocator, or nothing.
std::string allocator_variable() {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view variable(*entry);
    const std::string_view name = variable.substr(0, variable.find('='));
    if (name.starts_with("MALLOC_") || name == "GLIBC_TUNABLES") return std::string(name);
  }
  return "";
}

// Returns the library that provides malloc.
std::string malloc_library() {
  Dl_info info{};
  void* function = ::dlsym(RTLD_DEFAULT, "malloc");
  if (function == nullptr || ::dladdr(function, &info) == 0 || info.dli_fname == nullptr) return "";
  return std::filesystem::path(info.dli_fname).filename().string();
}

}  // namespace

void set_allocator() {
  if (const std::string library = malloc_library(); !library.starts_with("libc.so")) {
    settings() = fmt::format("{}, left alone", library.empty() ? "unknown" : library);
    return;
  }
  if (const std::string variable = allocator_variable(); !variable.empty()) {
    settings() = fmt::format("glibc, set by {}", variable);
    return;
  }
  ::mallopt(M_MMAP_THRESHOLD, kMmapThreshold);
  ::mallopt(M_TRIM_THRESHOLD, kTrimThreshold);
  ::mallopt(M_TOP_PAD, kTopPad);
  settings() = "glibc, blocks below 32 MiB kept";
}

std::string allocator_settings() {
  return settings();
}

void return_freed_memory() {
  ::malloc_trim(0);
}

}  // namespace apollo
