// The same targets for libFuzzer, which finds its way by coverage:
//   clang++ -fsanitize=fuzzer,address ... ; APOLLO_FUZZ_TARGET=toml ./fuzz_readers_libfuzzer
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "base/log.h"
#include "fuzz.h"

namespace apollo {
namespace {

const FuzzTarget& chosen_target() {
  const char* name = std::getenv("APOLLO_FUZZ_TARGET");
  for (const FuzzTarget& target : fuzz_targets()) {
    if (name != nullptr && std::string(name) == target.name) return target;
  }
  throw std::runtime_error("APOLLO_FUZZ_TARGET names no target");
}

const std::filesystem::path& work_folder() {
  static const std::filesystem::path dir = [] {
    set_log_level(LogLevel::kQuiet);
    auto path =
        std::filesystem::temp_directory_path() / ("apollo-libfuzzer-" + std::to_string(::getpid()));
    std::filesystem::create_directories(path);
    return path;
  }();
  return dir;
}

}  // namespace
}  // namespace apollo

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const apollo::FuzzTarget& target = apollo::chosen_target();
  apollo::fuzz_once(target, apollo::work_folder(),
                    std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
