// Fuzzing with a seed, by any compiler: a child process for each target reads changed inputs until
// its time or number is up, and prints what came of them. The input of a finding stays in a file.
//
//   fuzz_readers [TARGET...] [--seconds S] [--inputs N] [--seed K] [--jobs J] [--keep DIR]
//
// Input i of a target depends on the seed and i alone; after a finding the run goes on behind it.
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "fuzz.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> targets;
  double seconds = 5;
  int64_t inputs = 0;  // 0: as many as the time allows
  uint64_t seed = 1;
  int64_t jobs = 1;
  std::string keep = "fuzz-findings";
};

// Where a child is, in memory that it shares with its parent.
struct Progress {
  std::atomic<int64_t> next{0};
  std::atomic<int64_t> read{0};
  std::atomic<int64_t> refused{0};
};

// Sanitizers reserve terabytes of addresses.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool kLimitsMemory = false;
#else
constexpr bool kLimitsMemory = true;
#endif

constexpr unsigned kSecondsPerInput = 10;
constexpr rlim_t kMemory = rlim_t{4} << 30;
constexpr int kOtherException = 77;

uint64_t mixed(uint64_t seed, int64_t i) {
  return (seed * 0x9E3779B97F4A7C15u) ^ (static_cast<uint64_t>(i) * 0xC2B2AE3D27D4EB4Fu);
}

class Clock {
 public:
  explicit Clock(const Options& options) : options_(options) {}
  bool is_up(int64_t inputs) const {
    if (options_.inputs > 0) return inputs >= options_.inputs;
    const std::chrono::duration<double> past = std::chrono::steady_clock::now() - begin_;
    return past.count() > options_.seconds;
  }

 private:
  const Options& options_;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

[[noreturn]] void read_inputs(const FuzzTarget& target, const Options& options, const Clock& clock,
                              const fs::path& dir, Progress& progress) {
  if (kLimitsMemory) {
    const struct rlimit memory = {kMemory, kMemory};
    ::setrlimit(RLIMIT_AS, &memory);
  }
  const struct rlimit no_core = {0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  set_log_level(LogLevel::kQuiet);
  const fs::path corpus_dir = dir / "corpus";
  fs::create_directories(corpus_dir);
  fs::create_directories(dir / "input");
  const std::vector<std::string> corpus = target.corpus(corpus_dir);
  while (!clock.is_up(progress.next)) {
    const int64_t i = progress.next;
    const auto num_sound = static_cast<int64_t>(corpus.size());
    const std::string& sound = corpus[static_cast<size_t>(i % num_sound)];
    const std::string bytes =
        i < num_sound ? sound : mutate(sound, corpus, target.words, mixed(options.seed, i));
    ::alarm(kSecondsPerInput);
    try {
      ++(fuzz_once(target, dir / "input", bytes) ? progress.read : progress.refused);
    } catch (const std::exception& error) {
      fmt::print(stderr, "{}: input {}: {}\n", target.name, i, error.what());
      ::_exit(kOtherException);
    }
    ::alarm(0);
    ++progress.next;
  }
  ::_exit(0);
}

std::string how_it_ended(int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == kOtherException) return "another exception";
  if (WIFEXITED(status)) return fmt::format("exit {}", WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  if (signal == SIGALRM) return fmt::format("more than {} s", kSecondsPerInput);
  return ::strsignal(signal);
}

// Number of findings.
int64_t fuzz(const FuzzTarget& target, const Options& options) {
  void* shared =
      ::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  auto& progress = *new (shared) Progress;
  const fs::path dir = fs::temp_directory_path() / fmt::format("apollo-fuzz-{}", ::getpid());
  const Clock clock(options);
  int64_t findings = 0;
  for (bool is_done = false; !is_done;) {
    fs::remove_all(dir);
    fs::create_directories(dir);
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child == 0) read_inputs(target, options, clock, dir, progress);
    int status = 0;
    ::waitpid(child, &status, 0);
    is_done = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (is_done) break;
    fs::create_directories(options.keep);
    const fs::path kept = fs::path(options.keep) /
                          fmt::format("{}-{}-{}", target.name, options.seed, progress.next.load());
    std::error_code ignored;
    fs::copy_file(dir / "input" / target.file, kept, fs::copy_options::overwrite_existing, ignored);
    fmt::print("{}: input {}: {}; kept as {}\n", target.name, progress.next.load(),
               how_it_ended(status), kept.string());
    ++findings;
    ++progress.next;
    is_done = findings >= 20;
  }
  fs::remove_all(dir);
  fmt::print("{:<16} seed {}  {:>8} inputs  {:>8} read  {:>8} refused  {} findings\n", target.name,
             options.seed, progress.next.load(), progress.read.load(), progress.refused.load(),
             findings);
  ::munmap(shared, sizeof(Progress));
  return findings;
}

// Waits for one of the processes that fuzz() runs in; whether it found nothing.
bool wait_for_one() {
  int status = 0;
  ::wait(&status);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

bool fuzz_all(const Options& options) {
  bool is_clean = true;
  int64_t running = 0;
  for (const FuzzTarget& target : fuzz_targets()) {
    const bool is_asked_for =
        options.targets.empty() || std::find(options.targets.begin(), options.targets.end(),
                                             target.name) != options.targets.end();
    if (!is_asked_for) continue;
    if (running == options.jobs) {
      is_clean = wait_for_one() && is_clean;
      --running;
    }
    std::fflush(nullptr);
    if (::fork() == 0) {
      const int64_t findings = fuzz(target, options);
      std::fflush(nullptr);
      ::_exit(findings == 0 ? 0 : 1);
    }
    ++running;
  }
  for (; running > 0; --running)
    is_clean = wait_for_one() && is_clean;
  return is_clean;
}

int run(int argc, char** argv) {
  CLI::App app{"Reads files that were changed at random, and says what came of it."};
  Options options;
  std::vector<std::string> names;
  for (const FuzzTarget& target : fuzz_targets())
    names.emplace_back(target.name);
  app.add_option("targets", options.targets, "readers (default: all)")->check(CLI::IsMember(names));
  app.add_option("--seconds", options.seconds, "for each target")->capture_default_str();
  app.add_option("--inputs", options.inputs, "so many for each target, whatever time they take");
  app.add_option("--seed", options.seed, "of all changes")->capture_default_str();
  app.add_option("--jobs", options.jobs, "targets at a time")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--keep", options.keep, "folder for the inputs of findings")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  return fuzz_all(options) ? 0 : 1;
}

}  // namespace
}  // namespace apollo

int main(int argc, char** argv) {
  return apollo::run(argc, argv);
}
