#include "train/run_log.h"

#include <cstdlib>
#include <ctime>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/printable.h"
#include "base/units.h"
#include "runlog/row_json.h"

namespace apollo {
namespace {

using namespace std::chrono_literals;

constexpr auto kConsoleInterval = 5s;
constexpr auto kStatusInterval = 200ms;
constexpr int64_t kBarWidth = 10;

double mean_depth(const StepResult& result) {
  return static_cast<double>(
             std::accumulate(result.depths.begin(), result.depths.end(), int64_t{0})) /
         static_cast<double>(result.depths.size());
}

// Returns a row for this moment.
template <class Row>
Row row_at(const TrainState& state, Row row = {}) {
  row.step = state.position.step;
  row.tokens = state.tokens;
  row.flops = state.training_flops();
  row.wall_s = state.wall_seconds();
  return row;
}

// Returns "[####----]", filled to the share of the run that is over.
std::string bar(double share_done) {
  const auto full = static_cast<size_t>(share_done * static_cast<double>(kBarWidth));
  return "[" + std::string(full, '#') + std::string(kBarWidth - full, '-') + "]";
}

// Returns the loss and what else is known, for the console. `Row`: EvalRow or TestRow.
template <class Row>
std::string figures(const Row& row) {
  std::string text = fmt::format("loss {:.4f}", row.loss);
  const auto add = [&](const char* name, const std::optional<double>& value, int decimals) {
    if (value) text += fmt::format("  {} {:.{}f}", name, *value, decimals);
  };
  add("ppl", row.ppl, 2);
  add("bits/byte", row.bpb, 4);
  add("accuracy", row.accuracy, 4);
  return text;
}

}  // namespace

double total_flops(const TrainingCost& before, const Schedule& schedule) {
  const double own = schedule.total_flops();
  return own > 0.0 ? before.flops + own : 0.0;
}

std::string utc_time() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

RunLog::RunLog(const std::filesystem::path& run_dir, int64_t keep_bytes, int64_t first_step,
               double peak)
    : files_(std::make_unique<Files>(run_dir, keep_bytes, first_step)),
      peak_flops_per_second_(peak) {}

std::optional<double> RunLog::utilisation(double flops, double seconds) const {
  if (peak_flops_per_second_ <= 0.0 || seconds <= 0.0) return std::nullopt;
  return flops / seconds / peak_flops_per_second_;
}

template <class Row>
void RunLog::write(const Row& row) {
  if (!files_) return;
  Json json = row_json(row);
  files_->metrics.write(json);
  if (keeps_rows_) kept_rows_.push_back(std::move(json));
}

void RunLog::scalar(const char* name, const TrainState& state, double value) {
  if (files_) files_->tensorboard.scalar(name, state.position.step, value);
}

void RunLog::start(const StartRow& row) {
  write(row);
}

void RunLog::resume(const TrainState& state, const Schedule& schedule) {
  auto row = row_at<ResumeRow>(state);
  row.time = utc_time();
  row.total_steps = schedule.total_steps();
  row.total_flops = total_flops(state.before, schedule);
  write(row);
}

void RunLog::step(const TrainState& state, const StepResult& result, double step_seconds,
                  std::optional<double> energy_joules, double share_done) {
  auto row = row_at<StepRow>(state);
  row.energy_j = energy_joules;
  row.loss = result.loss;
  row.lr = result.lr;
  row.grad_norm = result.grad_norm;
  row.stage = state.stage.index;
  row.layers = state.model->num_layers();
  row.depth = mean_depth(result);
  row.tokens_per_s = static_cast<double>(result.tokens) / step_seconds;
  row.model_flops_utilisation = utilisation(result.flops, step_seconds);
  write(row);
  scalar("train/loss", state, result.loss);
  scalar("train/lr", state, result.lr);
  scalar("train/grad_norm", state, result.grad_norm);
  scalar("train/depth", state, row.depth);
  scalar("train/tokens_per_s", state, row.tokens_per_s);
  if (row.model_flops_utilisation) {
    scalar("train/model_flops_utilisation", state, *row.model_flops_utilisation);
  }
  if (!files_) return;
  tokens_since_console_ += result.tokens;
  flops_since_console_ += result.flops;
  seconds_since_console_ += step_seconds;
  if (share_at_start_ < 0) share_at_start_ = share_done;
  seconds_since_start_ += step_seconds;
  const auto now = Clock::now();
  const bool is_over = share_done >= 1.0;
  if ((is_over || now - last_status_ >= kStatusInterval) && shows_status()) {
    last_status_ = now;
    show_status(is_over ? "" : bar(share_done) + " " + step_line(state, result, share_done));
  }
  if (last_console_ && now - *last_console_ < kConsoleInterval && !is_over) return;
  // A terminal shows the status line instead; a log file gets both.
  log_line(shows_status() ? LogLevel::kDetail : LogLevel::kInfo,
           step_line(state, result, share_done));
  last_console_ = now;
  end_interval();
  flush();
}

void RunLog::end_interval() {
  if (const auto factor = slow_steps_.add(flops_since_console_ / seconds_since_console_)) {
    double load = 0.0;
    ::getloadavg(&load, 1);
    log_warning(
        "steps take {:.1f} times as long as they did: other programs use this machine too (load "
        "{:.1f} on {} cores); hint: on a busy machine one thread can be faster than two, and "
        "run.threads may be changed when the run goes on",
        *factor, load, num_physical_cores());
  }
  tokens_since_console_ = 0;
  flops_since_console_ = 0.0;
  seconds_since_console_ = 0.0;
}

std::string RunLog::step_line(const TrainState& state, const StepResult& result,
                              double share_done) const {
  const double gained = share_done - share_at_start_;
  const std::string eta = gained > 0
                              ? format_seconds(seconds_since_start_ * (1 - share_done) / gained)
                              : std::string("?");
  const double depth = mean_depth(result);
  std::string layers = fmt::format("{} layers", state.model->num_layers());
  if (depth != static_cast<double>(state.model->num_layers()))
    layers += fmt::format(" at depth {:.3g}", depth);
  const std::optional<double> used = utilisation(flops_since_console_, seconds_since_console_);
  // The text that a narrow terminal may cut off comes last.
  return fmt::format(
      "step {:>6} {:>3.0f} %  {}  loss {:.4f}  {} left  {} tokens/s{}", state.position.step,
      100 * share_done, layers, result.loss, eta,
      format_count(static_cast<double>(tokens_since_console_) / seconds_since_console_),
      used ? fmt::format(" ({:.0f} % MFU)", 100 * *used) : "");
}

void RunLog::evaluation(const TrainState& state, EvalRow row, std::optional<double> energy_joules) {
  row = row_at(state, std::move(row));
  row.energy_j = energy_joules;
  row.eval_flops = state.eval_flops;
  row.eval_s = state.eval_seconds;
  write(row);
  scalar(("valid/loss_" + row.which).c_str(), state, row.loss);
  if (!files_) return;
  log_info("step {:>6}  validation at {} depth {}: {}", state.position.step, row.which, row.depth,
           figures(row));
}

void RunLog::sample(const TrainState& state, SampleRow row) {
  row = row_at(state, std::move(row));
  write(row);
  if (!files_) return;
  files_->tensorboard.text("sample", state.position.step, row.prompt + row.text);
  log_info("step {:>6}  writes: {}", state.position.step, printable(row.prompt + row.text));
}

void RunLog::test(const TrainState& state, TestRow row) {
  row = row_at(state, std::move(row));
  write(row);
  scalar("test/loss", state, row.loss);
  if (!files_) return;
  log_info("step {:>6}  test at depth {}: {}", state.position.step, row.depth, figures(row));
}

void RunLog::growth(const TrainState& state, GrowRow row) {
  row = row_at(state, std::move(row));
  write(row);
  slow_steps_.forget_rates();
  if (!files_) return;
  std::string probe;
  if (row.loss_before && row.loss_after) {
    probe = fmt::format("; full-depth loss {:.6f} before, {:.6f} after", *row.loss_before,
                        *row.loss_after);
  }
  log_info("step {:>6}  grew from {} to {} layers (map {}){}", state.position.step, row.from,
           row.to, to_string(row.map), probe);
}

void RunLog::checkpoint(const TrainState& state, const WrittenCheckpoint& written) {
  auto row = row_at<CheckpointRow>(state);
  row.path = written.path.string();
  row.seconds = written.training_seconds;
  row.write_s = written.write_seconds;
  row.best = written.is_best;
  write(row);
  flush();
}

void RunLog::end(const TrainState& state, const std::string& reason,
                 std::optional<double> energy_joules) {
  auto row = row_at<EndRow>(state);
  row.eval_flops = state.eval_flops;
  row.energy_j = energy_joules;
  row.reason = reason;
  if (files_) show_status("");
  write(row);
  flush();
}

int64_t RunLog::flush() {
  if (!files_) return 0;
  files_->tensorboard.flush();
  return files_->metrics.flush();
}

}  // namespace apollo
