#include "cli/processes.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <thread>

#include "base/child.h"
#include "base/error.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "cli/program.h"
#include "config/run_config.h"
#include "parallel/launch.h"

namespace apollo {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kLookInterval = 20ms;
// After one rank has failed, the others have this long to notice, report and end by themselves.
constexpr auto kGrace = 30s;

struct Ending {
  int64_t rank = 0;
  int code = 0;
};

std::vector<Child> start_ranks(int64_t num_ranks, const std::vector<std::string>& words) {
  const std::string job =
      fmt::format("{}-{}", ::getpid(), std::chrono::system_clock::now().time_since_epoch().count());
  std::vector<Child> ranks;
  for (int64_t rank = 0; rank < num_ranks; ++rank) {
    ranks.emplace_back(words,
                       Child::Options{.log = {},
                                      .environment = {fmt::format("APOLLO_RANK={}", rank),
                                                      fmt::format("APOLLO_RANKS={}", num_ranks),
                                                      "APOLLO_JOB=" + job}});
  }
  return ranks;
}

// A rank that a signal stopped has saved, and so have the others.
bool stopped(int code) {
  return code == 128 + SIGINT || code == 128 + SIGTERM;
}

// Returns the first rank that failed, else one that was stopped, once all have ended or the others'
// grace period is over.
std::optional<Ending> wait_for(std::vector<Child>& ranks) {
  std::optional<Ending> worst;
  std::optional<Clock::time_point> failed_at;
  std::vector<bool> ended(ranks.size(), false);
  size_t num_ended = 0;
  int passed_on = 0;
  while (num_ended < ranks.size()) {
    if (failed_at && Clock::now() - *failed_at > kGrace) return worst;
    if (const int signal = stop_requested(); signal != passed_on) {
      for (const Child& rank : ranks)
        rank.signal(signal);
      passed_on = signal;
    }
    for (size_t i = 0; i < ranks.size(); ++i) {
      const std::optional<int> code = ended[i] ? std::nullopt : ranks[i].poll();
      if (!code) continue;
      ended[i] = true;
      ++num_ended;
      if (*code == 0 || failed_at) continue;
      worst = Ending{static_cast<int64_t>(i), *code};
      if (!stopped(*code)) failed_at = Clock::now();
    }
    std::this_thread::sleep_for(kLookInterval);
  }
  return worst;
}

// Returns the command line of this process.
std::vector<std::string> own_words() {
  std::vector<std::string> words;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  for (std::string word; std::getline(file, word, '\0');)
    words.push_back(word);
  words.at(0) = std::filesystem::read_symlink("/proc/self/exe").string();
  return words;
}

}  // namespace

void add_processes_option(CLI::App& command, int64_t& processes) {
  command
      .add_option("--processes", processes,
                  "share the passes among N processes on this machine (also: torchrun, mpirun, "
                  "srun)")
      ->check(CLI::Range(1, 1024));
}

bool was_run_as_ranks(int64_t processes, const std::string& file) {
  const bool is_rank = find_launch().has_value();
  if (processes < 2 && !is_rank) return false;
  if (file == "-") {
    throw UsageError("several processes cannot share standard input; hint: name a file");
  }
  if (!is_rank) run_ranks(processes, own_words());
  return !is_rank;
}

std::unique_ptr<Workers> join_launch(at::Device device) {
  const std::optional<Launch> launch = find_launch();
  if (!launch) return single_worker();
  if (launch->rank != 0) set_log_level(LogLevel::kWarning);
  // Ranks without an address meet through a file: on this machine, or in the folder of the start.
  const std::filesystem::path folder = launch->local_size == launch->size
                                           ? std::filesystem::temp_directory_path()
                                           : std::filesystem::current_path();
  const std::chrono::duration<double> timeout(seconds_of(RunConfig{}.run.rank_timeout).value());
  return join_workers(*launch, device, folder,
                      std::chrono::duration_cast<std::chrono::milliseconds>(timeout));
}

void run_ranks(int64_t num_ranks, const std::vector<std::string>& words) {
  std::vector<Child> ranks = start_ranks(num_ranks, words);
  const std::optional<Ending> worst = wait_for(ranks);
  if (!worst) return;
  if (stopped(worst->code)) throw Interrupted(worst->code - 128);
  throw RankFailed(
      fmt::format("rank {} of {} failed; the others were ended", worst->rank, num_ranks),
      worst->code);
}

}  // namespace apollo
