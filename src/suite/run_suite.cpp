#include "suite/run_suite.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>

#include "base/child.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/stop_signal.h"
#include "base/units.h"
#include "config/config_compare.h"
#include "config/toml_io.h"
#include "report/run_history.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

constexpr auto kPollInterval = 50ms;
constexpr auto kStatusInterval = 60s;
// How much of a failed run's log is shown with it.
constexpr size_t kLongestReason = 600;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Returns the config with which a run began, if the plan leaves values to the machine.
RunConfig as_begun(RunConfig planned, const RunConfig& begun) {
  if (planned.run.threads == 0) planned.run.threads = begun.run.threads;
  if (planned.train.micro_batch_size == 0) {
    planned.train.micro_batch_size = begun.train.micro_batch_size;
    planned.train.micro_batch_by_depth = begun.train.micro_batch_by_depth;
  }
  return planned;
}

std::optional<RunConfig> begun_config(const fs::path& folder) {
  if (!fs::exists(folder / "metrics.jsonl") || !fs::exists(folder / "run.toml")) {
    return std::nullopt;
  }
  return load_run_config(folder / "run.toml").config;
}

// Returns why a run failed: the error at the end of its log.
std::string reason_in_log(const fs::path& log) {
  if (!fs::exists(log)) return "";
  const std::string text = read_file(log);
  const size_t error = text.rfind("error: ");
  if (error == std::string::npos) return "";
  size_t begin = text.rfind('\n', error);
  begin = begin == std::string::npos ? 0 : begin + 1;
  std::string reason = text.substr(begin, kLongestReason);
  while (!reason.empty() && reason.back() == '\n')
    reason.pop_back();
  constexpr std::string_view kPrefix = "apollo: error: ";
  return reason.starts_with(kPrefix) ? reason.substr(kPrefix.size()) : reason;
}

std::string exit_text(int code) {
  constexpr int kSignal = 128;
  if (code > kSignal) return fmt::format("ended by signal {}", code - kSignal);
  return fmt::format("exit code {}", code);
}

// Returns the outcome stated in the run's own folder; nullopt: the run must be started or
// continued.
std::optional<RunOutcome> outcome_in_folder(const PlannedRun& run) {
  const auto begun = begun_config(run.folder);
  if (!begun) return std::nullopt;
  const RunHistory history = read_run(run.folder);
  auto differences = differing_keys(*begun, as_begun(run.config, *begun));
  const auto check = [&](const char* what, const std::string& hash, const std::string& before) {
    if (hash != before) differences.push_back(what);
  };
  check("the training data", run.train_data, history.info.train_data);
  check("the validation data", run.valid_data, history.info.valid_data);
  check("the tokenizer", run.tokenizer, history.info.tokenizer);
  if (!differences.empty()) {
    return RunOutcome{
        run, RunStatus::kFailed,
        fmt::format("the folder holds a run with other values ({}); hint: remove it, or choose "
                    "another --out",
                    fmt::join(differences, ", ")),
        std::nullopt};
  }
  if (!history.end || history.end->reason == "signal") return std::nullopt;
  RunOutcome outcome{run, RunStatus::kFinished, "", std::nullopt};
  if (history.end->reason == "diverged") {
    outcome.status = RunStatus::kDiverged;
    outcome.reason = fmt::format("diverged at step {}", history.end->step);
    return outcome;
  }
  const auto evaluations = full_depth_evaluations(history);
  if (!evaluations.empty()) outcome.final_loss = evaluations.back().loss;
  return outcome;
}

// A run without a step in its folder has no outcome yet.
std::optional<RunOutcome> known_outcome(const PlannedRun& run) {
  try {
    return outcome_in_folder(run);
  } catch (const DataError&) {
    return std::nullopt;
  } catch (const ConfigError& error) {
    return RunOutcome{run, RunStatus::kFailed, error.what(), std::nullopt};
  }
}

// Trains the runs of one list, as many at once as there are jobs.
class Queue {
 public:
  // `flops_after`: FLOPs of the runs that come after these.
  Queue(std::vector<PlannedRun> runs, const SuiteOptions& options, int64_t& num_before,
        int64_t num_all, double flops_after)
      : runs_(std::move(runs)),
        options_(options),
        number_(num_before),
        num_all_(num_all),
        flops_after_(flops_after) {}

  // Returns one outcome per run, in order.
  std::vector<RunOutcome> run_all();

 private:
  struct Active {
    size_t index;
    int64_t number;
    Child child;
    Clock::time_point start;
  };

  void start_next();
  void start(size_t index);
  void collect();
  void finish(const Active& active, int exit_code);
  void stop(int signal);
  std::vector<std::string> words(const PlannedRun& run) const;
  std::string time_left() const;
  void show_status();

  std::vector<PlannedRun> runs_;
  const SuiteOptions& options_;
  int64_t& number_;  // of the last run begun, counted over the whole suite
  int64_t num_all_;
  double flops_after_;
  std::vector<std::optional<RunOutcome>> outcomes_;
  std::vector<Active> active_;
  size_t next_ = 0;
  // What this process has done, to estimate the time left.
  double flops_done_ = 0.0;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_status_ = start_;
};

std::vector<RunOutcome> Queue::run_all() {
  outcomes_.resize(runs_.size());
  while (true) {
    if (const int signal = stop_requested()) stop(signal);
    collect();
    while (static_cast<int64_t>(active_.size()) < options_.jobs && next_ < runs_.size())
      start_next();
    if (active_.empty()) break;
    show_status();
    std::this_thread::sleep_for(kPollInterval);
  }
  std::vector<RunOutcome> outcomes;
  for (auto& outcome : outcomes_)
    outcomes.push_back(std::move(*outcome));
  return outcomes;
}

void Queue::start_next() {
  const size_t index = next_++;
  ++number_;
  if (auto outcome = known_outcome(runs_[index])) {
    log_info("[{}/{}] {}: {}", number_, num_all_, runs_[index].label(),
             outcome->status == RunStatus::kFinished ? "finished before" : outcome->reason);
    outcomes_[index] = std::move(outcome);
    return;
  }
  start(index);
}

void Queue::start(size_t index) {
  const PlannedRun& run = runs_[index];
  const bool goes_on = fs::exists(run.folder / "checkpoints" / "latest");
  fs::create_directories(run.folder);
  log_info("[{}/{}] {}: {}, log in {}", number_, num_all_, run.label(),
           goes_on ? "goes on" : "begins", (run.folder / "suite.log").string());
  active_.push_back({index, number_,
                     Child(words(run), {.log = run.folder / "suite.log", .environment = {}}),
                     Clock::now()});
}

std::vector<std::string> Queue::words(const PlannedRun& run) const {
  std::vector<std::string> all = options_.program;
  // A page holds all of the charts' code, 5 MB, and the suite's own page shows every run anyway.
  all.insert(all.end(), {"train", run.base.string(), "--out", run.folder.string(), "--no-page"});
  for (const std::string& override : run.overrides)
    all.insert(all.end(), {"--set", override});
  if (run.sets_threads) return all;
  // A run keeps the number of threads with which it began, because another would change its bits.
  const auto begun = begun_config(run.folder);
  const int64_t threads =
      begun ? begun->run.threads : std::max<int64_t>(1, num_physical_cores() / options_.jobs);
  all.insert(all.end(), {"--set", fmt::format("run.threads={}", threads)});
  return all;
}

void Queue::collect() {
  for (size_t i = 0; i < active_.size();) {
    const auto exit_code = active_[i].child.poll();
    if (!exit_code) {
      ++i;
      continue;
    }
    const Active ended = std::move(active_[i]);
    active_.erase(active_.begin() + static_cast<std::ptrdiff_t>(i));
    finish(ended, *exit_code);
  }
}

void Queue::finish(const Active& active, int exit_code) {
  constexpr int kDiverged = 3;
  const PlannedRun& run = runs_[active.index];
  auto outcome = known_outcome(run);
  if (!outcome || (exit_code != 0 && exit_code != kDiverged)) {
    const std::string reason = reason_in_log(run.folder / "suite.log");
    outcome = RunOutcome{
        run, RunStatus::kFailed,
        reason.empty() ? exit_text(exit_code) : fmt::format("{}: {}", exit_text(exit_code), reason),
        std::nullopt};
  }
  flops_done_ += run.flops;
  std::string result = outcome->reason;
  if (outcome->status == RunStatus::kFinished) {
    result = outcome->final_loss ? fmt::format("loss {:.4f}", *outcome->final_loss) : "finished";
  }
  log_info("[{}/{}] {}: {} in {}{}", active.number, num_all_, run.label(), result,
           format_seconds(seconds_since(active.start)), time_left());
  outcomes_[active.index] = std::move(outcome);
}

void Queue::stop(int signal) {
  for (const Active& active : active_)
    active.child.signal(signal);
  if (!active_.empty())
    log_info("stopping: waiting for {} to save", active_.size() == 1 ? "the run" : "the runs");
  for (Active& active : active_) {
    while (!active.child.poll())
      std::this_thread::sleep_for(kPollInterval);
  }
  log_info("stopped; the same command goes on from here");
  throw Interrupted(signal);
}

// Uses the rate of the runs that have ended; runs of unknown length are left out.
std::string Queue::time_left() const {
  double flops = flops_after_;
  for (size_t i = 0; i < runs_.size(); ++i) {
    if (!outcomes_[i]) flops += runs_[i].flops;
  }
  for (const Active& active : active_)
    flops -= std::min(runs_[active.index].flops,
                      seconds_since(active.start) * flops_done_ / seconds_since(start_));
  if (flops_done_ <= 0.0 || flops <= 0.0) return "";
  return fmt::format(", {} left", format_seconds(flops / flops_done_ * seconds_since(start_)));
}

void Queue::show_status() {
  if (Clock::now() - last_status_ < kStatusInterval) return;
  last_status_ = Clock::now();
  std::vector<std::string> labels;
  for (const Active& active : active_)
    labels.push_back(
        fmt::format("[{}/{}] {}", active.number, num_all_, runs_[active.index].label()));
  log_info("{}: since {}{}", fmt::join(labels, "; "),
           format_seconds(seconds_since(active_.front().start)), time_left());
}

std::optional<size_t> best_of(const std::vector<RunOutcome>& tried) {
  std::optional<size_t> best;
  for (size_t i = 0; i < tried.size(); ++i) {
    if (!tried[i].final_loss) continue;
    if (!best || *tried[i].final_loss < *tried[*best].final_loss) best = i;
  }
  return best;
}

// If a compared run was already trained during tuning, puts a link to it in place of its folder.
void link_tuned_run(const PlannedRun& run, const std::vector<RunOutcome>& tried) {
  const auto same = std::find_if(tried.begin(), tried.end(), [&](const RunOutcome& outcome) {
    return outcome.run.overrides == run.overrides;
  });
  const bool has_folder = fs::exists(run.folder) && !fs::is_symlink(run.folder);
  if (same == tried.end() || has_folder) return;
  fs::create_directories(run.folder.parent_path());
  replace_link(run.folder, fs::relative(same->run.folder, run.folder.parent_path()));
}

// Appends the runs of a group with the values that won; without a winner none of them can be made.
void append_runs(const PlannedGroup& group, const TuningOutcome* tuning,
                 std::vector<PlannedRun>& wanted, std::vector<RunOutcome>& failed) {
  for (const PlannedRun& run : group.runs) {
    if (tuning == nullptr) {
      wanted.push_back(run);
    } else if (!tuning->best) {
      failed.push_back({run, RunStatus::kFailed, "no value of its grid could be trained", {}});
    } else {
      wanted.push_back(with_choice(run, tuning->tried[*tuning->best].run.choice));
      link_tuned_run(wanted.back(), tuning->tried);
    }
  }
}

double flops_after_sources(const SuitePlan& plan) {
  double flops = plan.flops();
  for (const PlannedRun& run : plan.sources)
    flops -= run.flops;
  return flops;
}

std::vector<RunOutcome> run_sources(const SuitePlan& plan, const SuiteOptions& options,
                                    int64_t& number) {
  return Queue(plan.sources, options, number, plan.num_runs(), flops_after_sources(plan)).run_all();
}

std::vector<TuningOutcome> run_tuning(const SuitePlan& plan, const SuiteOptions& options,
                                      int64_t& number) {
  std::vector<PlannedRun> all;
  double flops_after = flops_after_sources(plan);
  for (const PlannedGroup& group : plan.groups) {
    all.insert(all.end(), group.tuning.begin(), group.tuning.end());
    for (const PlannedRun& run : group.tuning)
      flops_after -= run.flops;
  }
  std::vector<RunOutcome> outcomes =
      Queue(all, options, number, plan.num_runs(), flops_after).run_all();
  std::vector<TuningOutcome> tuning;
  auto next = outcomes.begin();
  for (const PlannedGroup& group : plan.groups) {
    TuningOutcome outcome{group.model, group.name, {}, std::nullopt};
    for (size_t i = 0; i < group.tuning.size(); ++i)
      outcome.tried.push_back(std::move(*next++));
    outcome.best = best_of(outcome.tried);
    if (outcome.best) {
      const PlannedRun& best = outcome.tried[*outcome.best].run;
      log_info("{}: best at {} is {}", group.name, best.budget, fmt::join(best.choice, ", "));
    }
    tuning.push_back(std::move(outcome));
  }
  return tuning;
}

}  // namespace

std::vector<const RunOutcome*> SuiteOutcome::failures() const {
  std::vector<const RunOutcome*> all;
  for (const RunOutcome& outcome : sources) {
    if (outcome.status != RunStatus::kFinished) all.push_back(&outcome);
  }
  for (const TuningOutcome& group : tuning) {
    for (const RunOutcome& outcome : group.tried) {
      if (outcome.status == RunStatus::kFailed) all.push_back(&outcome);
    }
  }
  for (const RunOutcome& outcome : runs) {
    if (outcome.status != RunStatus::kFinished) all.push_back(&outcome);
  }
  return all;
}

SuiteOutcome run_suite(const SuitePlan& plan, const SuiteOptions& options) {
  int64_t number = 0;
  SuiteOutcome outcome;
  outcome.sources = run_sources(plan, options, number);
  std::vector<TuningOutcome> tuning = run_tuning(plan, options, number);
  std::vector<PlannedRun> wanted;
  for (size_t i = 0; i < plan.groups.size(); ++i) {
    const bool is_tuned = !plan.groups[i].tuning.empty();
    append_runs(plan.groups[i], is_tuned ? &tuning[i] : nullptr, wanted, outcome.runs);
    if (is_tuned) outcome.tuning.push_back(std::move(tuning[i]));
  }
  // Sorted by seed, so that a comparison of all runs is possible early.
  std::stable_sort(wanted.begin(), wanted.end(),
                   [](const PlannedRun& a, const PlannedRun& b) { return a.seed < b.seed; });
  for (RunOutcome& run : Queue(std::move(wanted), options, number, plan.num_runs(), 0.0).run_all())
    outcome.runs.push_back(std::move(run));
  return outcome;
}

}  // namespace apollo
