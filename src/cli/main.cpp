// build/apollo, which users call. Commands that work on text and logs run here, in milliseconds and
// a few megabytes. All others run in build/apollo-engine next to it, which replaces this process.
// The reason: LibTorch costs every process that links it 110 MiB and a third of a second.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "base/standard_streams.h"
#include "cli/commands.h"
#include "cli/program.h"

namespace apollo {
namespace {

// Without a command, or with an unknown one, the engine answers, because it has everybody's help.
// `words`: the command and what follows it.
bool runs_here(std::span<char* const> words) {
  if (words.empty()) return false;
  const auto all = commands();
  return std::any_of(all.begin(), all.end(), [&](const Command& command) {
    return command.name == words[0] && !command.needs_torch &&
           std::find(words.begin(), words.end(), command.torch_flag) == words.end();
  });
}

// At the end of each operator OpenMP's threads spin until the last one arrives, by default for
// milliseconds. On a machine that does other work two threads then wait for each other's time
// slices (measured with both cores busy: 6.3 s per step against 0.9 s). libgomp reads this setting
// only once, when it is loaded, so it is set here.
void limit_spinning() {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  ::setenv("GOMP_SPINCOUNT", "10000", /*overwrite=*/0);
}

// Returns only if the engine cannot be run.
int become_engine(char** argv) {
  limit_spinning();
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path engine = self.parent_path() / "apollo-engine";
  ::execv(engine.c_str(), argv);
  fmt::print(stderr,
             "apollo: error: {}: cannot run it: {}\n  hint: apollo and apollo-engine belong into "
             "one folder; `make` builds both\n",
             engine.string(), std::strerror(errno));
  return 1;
}

// "apollo help train" means the same as "apollo train --help".
std::vector<char*> words_of(int argc, char** argv) {
  static char flag[] = "--help";
  std::vector<char*> words(argv, argv + argc);
  if (argc > 1 && std::string_view(argv[1]) == "help") {
    words.erase(words.begin() + 1);
    words.push_back(flag);
  }
  words.push_back(nullptr);
  return words;
}

}  // namespace
}  // namespace apollo

int main(int argc, char** argv) {
  using namespace apollo;
  guard_standard_streams();
  std::vector<char*> words = words_of(argc, argv);
  const auto count = static_cast<int>(words.size()) - 1;
  const auto rest = std::span<char* const>(words).subspan(1, static_cast<size_t>(count - 1));
  return runs_here(rest) ? run_program(count, words.data(), commands())
                         : become_engine(words.data());
}
