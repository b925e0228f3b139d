// The same targets for libFuzzer (clang), which finds its way by coverage. It starts from the
// target's sound files and puts in the target's words:
//
//   APOLLO_FUZZ_TARGET=TARGET fuzz_readers [options of libFuzzer, such as -max_total_time=60]
//
// Without the variable it prints the names of the targets.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
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
    std::filesystem::create_directories(path / "input");
    std::filesystem::create_directories(path / "corpus");
    std::filesystem::create_directories(path / "made");
    return path;
  }();
  return dir;
}

// A line of a dictionary: the word in quotes, bytes beyond letters and digits as \xNN.
std::string dictionary_line(std::string_view word) {
  std::string line = "\"";
  for (const char c : word) {
    const bool is_plain =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    line += is_plain ? std::string(1, c) : fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
  }
  return line + "\"\n";
}

// What libFuzzer is to be told of the target: its dictionary. Writes the sound files to start from.
std::vector<std::string> target_arguments(const FuzzTarget& target) {
  std::vector<std::string> arguments;
  std::string dictionary;
  for (const std::string& word : target.words)
    dictionary += dictionary_line(word);
  if (!dictionary.empty()) {
    write_file_atomic(work_folder() / "words", dictionary);
    arguments.push_back("-dict=" + (work_folder() / "words").string());
  }
  int number = 0;
  for (const std::string& sound : target.corpus(work_folder() / "made"))
    write_file_atomic(work_folder() / "corpus" / std::to_string(number++), sound);
  return arguments;
}

}  // namespace
}  // namespace apollo

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (std::getenv("APOLLO_FUZZ_TARGET") == nullptr) {
    for (const apollo::FuzzTarget& target : apollo::fuzz_targets())
      std::puts(target.name);
    std::exit(0);
  }
  apollo::work_folder();  // before what removes it, which then comes before its own end
  std::atexit([] { std::filesystem::remove_all(apollo::work_folder()); });
  static std::vector<std::string> added = apollo::target_arguments(apollo::chosen_target());
  static std::vector<char*> all(*argv, *argv + *argc);
  for (std::string& argument : added)
    all.push_back(argument.data());
  // Files that are named, such as those of findings, are read instead of the sound ones.
  static std::string corpus = (apollo::work_folder() / "corpus").string();
  if (std::all_of(*argv + 1, *argv + *argc, [](const char* word) { return word[0] == '-'; }))
    all.push_back(corpus.data());
  *argc = static_cast<int>(all.size());
  all.push_back(nullptr);
  *argv = all.data();
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const apollo::FuzzTarget& target = apollo::chosen_target();
  apollo::fuzz_once(target, apollo::work_folder() / "input",
                    std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
