#include "train/run_log.h"

#include <ctime>
#include <numeric>

#include "base/error.h"
#include "base/log.h"
#include "base/units.h"
#include "config/enum_names.h"

namespace apollo {
namespace {

using namespace std::chrono_literals;

constexpr auto kConsoleInterval = 5s;

template <class T>
Json nullable(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

double mean_depth(const StepResult& result) {
  return static_cast<double>(
             std::accumulate(result.depths.begin(), result.depths.end(), int64_t{0})) /
         static_cast<double>(result.depths.size());
}

// A whole number is logged as one.
Json depth_json(double depth) {
  const auto whole = static_cast<int64_t>(depth);
  return static_cast<double>(whole) == depth ? Json(whole) : Json(depth);
}

Json event(const char* name, const TrainState& state) {
  return {{"event", name},
          {"step", state.position.step},
          {"tokens", state.tokens},
          {"flops", state.training_flops()},
          {"wall_s", state.wall_seconds()}};
}

}  // namespace

std::string utc_time() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

RunLog::RunLog(const std::filesystem::path& run_dir, int64_t keep_bytes, int64_t first_step)
    : metrics_(run_dir / "metrics.jsonl", keep_bytes), tensorboard_(run_dir, first_step) {}

void RunLog::start(const Json& header) {
  Json row = {{"event", "start"}, {"time", utc_time()}};
  row.update(header);
  metrics_.write(row);
}

void RunLog::resume(const TrainState& state) {
  Json row = event("resume", state);
  row["time"] = utc_time();
  metrics_.write(row);
}

void RunLog::step(const TrainState& state, const StepResult& result, double step_seconds,
                  std::optional<double> energy_joules, double share_done) {
  const int64_t tokens = state.tokens / state.position.step;
  const double depth = mean_depth(result);
  Json row = event("step", state);
  row["energy_j"] = nullable(energy_joules);
  row["loss"] = result.loss;
  row["lr"] = result.lr;
  row["grad_norm"] = result.grad_norm;
  row["stage"] = state.stage.index;
  row["layers"] = state.model->num_layers();
  row["depth"] = depth_json(depth);
  row["tokens_per_s"] = static_cast<double>(tokens) / step_seconds;
  metrics_.write(row);
  tensorboard_.scalar("train/loss", state.position.step, result.loss);
  tensorboard_.scalar("train/lr", state.position.step, result.lr);
  tensorboard_.scalar("train/grad_norm", state.position.step, result.grad_norm);
  tensorboard_.scalar("train/depth", state.position.step, depth);
  tensorboard_.scalar("train/tokens_per_s", state.position.step,
                      static_cast<double>(tokens) / step_seconds);
  tokens_since_console_ += tokens;
  seconds_since_console_ += step_seconds;
  if (share_at_start_ < 0) share_at_start_ = share_done;
  seconds_since_start_ += step_seconds;
  if (!last_console_ || Clock::now() - *last_console_ >= kConsoleInterval || share_done >= 1.0) {
    console_line(state, result, share_done);
  }
}

void RunLog::console_line(const TrainState& state, const StepResult& result, double share_done) {
  const double gained = share_done - share_at_start_;
  const std::string eta = gained > 0
                              ? format_seconds(seconds_since_start_ * (1 - share_done) / gained)
                              : std::string("?");
  log_info(
      "step {:>6}  {:5.1f} %  stage {} ({} layers)  depth {:<4.3g} loss {:.4f}  lr {:.2e}  "
      "grad {:.2f}  {} tokens/s  {} left",
      state.position.step, 100 * share_done, state.stage.index + 1, state.model->num_layers(),
      mean_depth(result), result.loss, result.lr, result.grad_norm,
      format_count(static_cast<double>(tokens_since_console_) / seconds_since_console_), eta);
  last_console_ = Clock::now();
  tokens_since_console_ = 0;
  seconds_since_console_ = 0.0;
  metrics_.flush();
  tensorboard_.flush();
}

void RunLog::evaluation(const TrainState& state, const EvaluationRow& row,
                        std::optional<double> energy_joules) {
  Json json = event("eval", state);
  json["energy_j"] = nullable(energy_joules);
  json["which"] = row.which;
  json["depth"] = row.depth;
  json["loss"] = row.loss;
  json["ppl"] = nullable(row.perplexity);
  json["bpb"] = nullable(row.bits_per_byte);
  json["accuracy"] = nullable(row.accuracy);
  json["eval_flops"] = state.eval_flops;
  json["eval_s"] = state.eval_seconds;
  metrics_.write(json);
  tensorboard_.scalar("valid/loss_" + row.which, state.position.step, row.loss);
  std::string details;
  const auto add = [&](const char* name, const std::optional<double>& value, int decimals) {
    if (value) details += fmt::format("  {} {:.{}f}", name, *value, decimals);
  };
  add("ppl", row.perplexity, 2);
  add("bits/byte", row.bits_per_byte, 4);
  add("accuracy", row.accuracy, 4);
  log_info("step {:>6}  validation at {} depth {}: loss {:.4f}{}", state.position.step, row.which,
           row.depth, row.loss, details);
}

void RunLog::probe(const TrainState& state, const ProbeRow& row) {
  Json json = event("probe", state);
  json["layers"] = row.layers;
  json["next_layers"] = row.next_layers;
  json["loss"] = row.loss;
  json["next_loss"] = row.next_loss;
  json["gain"] = row.gains ? Json(row.gains->own) : Json();
  json["next_gain"] = row.gains ? Json(row.gains->next) : Json();
  json["ready"] = row.ready;
  json["eval_flops"] = state.eval_flops;
  metrics_.write(json);
}

void RunLog::trial(const TrainState& state, int64_t from, const MapTrial& trial) {
  std::string losses;
  for (const TrialCopy& copy : trial.copies) {
    Json json = event("trial", state);
    json["from"] = from;
    json["to"] = state.model->num_layers();
    json["layer_map"] = enum_name(copy.kind);
    json["loss"] = nullable(copy.loss);
    json["trial_flops"] = copy.flops;
    json["chosen"] = copy.kind == trial.chosen;
    metrics_.write(json);
    losses += fmt::format("{}{} {}", losses.empty() ? "" : ", ", enum_name(copy.kind),
                          copy.loss ? fmt::format("{:.4f}", *copy.loss) : "diverged");
  }
  log_info("step {:>6}  trial of layer maps over {} steps: loss {}; {} chosen", state.position.step,
           trial.steps.size(), losses, enum_name(trial.chosen));
}

void RunLog::growth(const TrainState& state, const GrowthRow& row) {
  Json json = event("grow", state);
  json["from"] = row.from;
  json["to"] = row.to;
  json["map"] = row.map;
  json["loss_before"] = nullable(row.loss_before);
  json["loss_after"] = nullable(row.loss_after);
  json["own_loss_before"] = nullable(row.own_loss_before);
  json["own_loss_after"] = nullable(row.own_loss_after);
  metrics_.write(json);
  std::string probe;
  if (row.loss_before && row.loss_after) {
    probe = fmt::format("; full-depth loss {:.6f} before, {:.6f} after", *row.loss_before,
                        *row.loss_after);
  }
  log_info("step {:>6}  grew from {} to {} layers (map {}){}", state.position.step, row.from,
           row.to, to_string(row.map), probe);
}

void RunLog::checkpoint(const TrainState& state, const WrittenCheckpoint& written) {
  Json json = event("checkpoint", state);
  json["path"] = written.path.string();
  json["seconds"] = written.training_seconds;
  json["write_s"] = written.write_seconds;
  metrics_.write(json);
  metrics_.flush();
}

void RunLog::end(const TrainState& state, const std::string& reason,
                 std::optional<double> energy_joules) {
  Json json = event("end", state);
  json["eval_flops"] = state.eval_flops;
  json["energy_j"] = nullable(energy_joules);
  json["reason"] = reason;
  metrics_.write(json);
  flush();
}

int64_t RunLog::flush() {
  tensorboard_.flush();
  return metrics_.flush();
}

}  // namespace apollo
