#include "train/trainer.h"

#include <algorithm>

#include "base/allocator.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "config/toml_io.h"
#include "train/ending.h"
#include "train/grow_layers.h"
#include "train/growth_probe.h"
#include "train/machine.h"
#include "train/opening.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// 48 bits of a hash of all weights, which a double holds.
double bits_of(const ParameterSet& parameters) {
  const at::Tensor weights = parameters.values().cpu();
  const std::string_view bytes(static_cast<const char*>(weights.const_data_ptr()),
                               weights.nbytes());
  return hash_number(hash_text(bytes));
}

// A kill can come between the last checkpoint, after which `begin` bytes had been logged, and the
// row that says that the run is over.
bool has_end_row(const fs::path& metrics, int64_t begin) {
  const MappedFile file(metrics);
  const auto after = std::min(file.text().size(), static_cast<size_t>(begin));
  return file.text().substr(after).find(R"({"event":"end")") != std::string_view::npos;
}

}  // namespace

Trainer::Trainer(Run run)
    : run_(std::move(run)),
      evaluation_(run_),
      save_times_(run_),
      energy_(run_.device.is_cuda() ? run_.device.index() : -1) {
  TrainState& state = run_.state;
  energy_before_ = state.energy_joules;
  if (run_.resumes) {
    // The intervals may have grown since, and with them shrunk the counts.
    state.evaluations_due = std::min(state.evaluations_due, evaluation_.times_due(state.position));
    state.checkpoints_due = std::min(state.checkpoints_due, save_times_.times_due(state.position));
    if (at_end() && has_end_row(run_.dir / "metrics.jsonl", run_.metrics_bytes)) {
      phase_ = Phase::kOver;
      return;
    }
  }
  if ((!run_.resumes || run_.has_new_length) && run_.workers->leads()) {
    write_file_atomic(run_.dir / "run.toml", to_toml(run_.resolved));
  }
  if (!run_.workers->leads()) {
    log_ = std::make_unique<RunLog>();
    return;
  }
  const int64_t first_step = run_.resumes ? state.position.step + 1 : 0;
  log_ = std::make_unique<RunLog>(run_.dir, run_.metrics_bytes, first_step,
                                  run_.peak_flops_per_second);
  writer_ = std::make_unique<CheckpointWriter>(run_.dir, run_.data.tokenizer.get(),
                                               run_.config().checkpoint.keep);
  log_opening(run_);
  if (run_.resumes) {
    log_->resume(state, *run_.schedule);
  } else {
    log_->start(start_row(run_, energy_.source()));
  }
}

Trainer::~Trainer() = default;

void Trainer::run() {
  if (phase_ == Phase::kOver && run_.workers->leads()) {
    log_info("{}: finished already, at step {}", run_.dir.string(), run_.state.position.step);
  }
  while (step()) {
  }
}

bool Trainer::step() {
  if (phase_ == Phase::kOver) return false;
  const MachineScope machine(run_.config().run, run_.matmul);
  try {
    return step_or_finish();
  } catch (const Interrupted& stop) {
    if (phase_ == Phase::kOver) throw;  // the hook's own
    save();
    leave_together();
    end("signal");
    if (run_.workers->leads())
      log_info("stopped by signal {} at step {}; the same command goes on from here", stop.signal(),
               run_.state.position.step);
    throw;
  } catch (const DivergedError&) {
    if (phase_ == Phase::kOver) throw;
    end("diverged");
    throw;
  }
}

bool Trainer::step_or_finish() {
  agree();
  if (stop_ != 0 && reason_to_end(run_) == nullptr) throw Interrupted(stop_);
  evaluate_if_due();
  const char* reason = reason_to_end(run_);
  const bool finished = reason != nullptr;
  tell();
  if (!finished) grow_if_due();
  tell();
  save_if_due(finished);
  if (finished) {
    leave_together();
    end(reason);
    log_ending(run_);
    return false;
  }
  if (writer_) log_written(writer_->poll());
  train_one_step();
  tell();
  return true;
}

void Trainer::on_row(RowHook hook) {
  if (log_ == nullptr) return;  // over already
  hook_ = std::move(hook);
  log_->keep_rows();
}

void Trainer::tell() {
  if (!hook_) return;
  try {
    for (const Json& row : log_->take_rows()) {
      if (row.at("event") != CheckpointRow::kEvent) hook_(row);
    }
  } catch (...) {
    // Shared moments are saved by all ranks together, and the others know nothing of this.
    if (!run_.shards->share_moments()) save();
    wait_for_checkpoint();
    end("stopped");
    throw;
  }
}

void Trainer::agree() {
  stop_ = stop_requested();
  const double own[] = {run_.state.position.hours, static_cast<double>(stop_)};
  const std::vector<double> all = run_.workers->gather(own);
  run_.state.position.hours = all[0];
  for (size_t i = 1; i < all.size(); i += 2)
    stop_ = std::max(stop_, static_cast<int>(all[i]));
}

void Trainer::end(const char* reason) {
  phase_ = Phase::kOver;
  log_->end(run_.state, reason, energy_joules());
}

bool Trainer::at_end() const {
  return reason_to_end(run_) != nullptr &&
         (run_.valid == nullptr || run_.state.last_evaluated_step == run_.state.position.step);
}

void Trainer::train_one_step() {
  const auto start = Clock::now();
  const StepResult result = train_step(run_.state, run_);
  const double seconds = seconds_since(start);
  run_.state.position.hours += seconds / 3600.0;
  log_->step(run_.state, result, seconds, energy_joules(),
             run_.schedule->progress(run_.state.position, LrAxis::kFlops));
}

void Trainer::evaluate_if_due() {
  TrainState& state = run_.state;
  const bool finished = reason_to_end(run_) != nullptr;
  if (evaluation_.is_due(run_, finished)) {
    // A signal can end this half-way; nothing is logged or charged before all of it is done.
    const EvaluatedRun found = evaluation_.evaluate_now(run_, finished);
    state.eval_seconds += found.seconds;
    state.eval_flops += found.flops;
    state.best = found.best;
    for (const EvalRow& row : found.rows)
      log_->evaluation(state, row, energy_joules());
    if (found.sample) log_->sample(state, *found.sample);
    if (found.test) log_->test(state, *found.test);
    state.last_evaluated_step = state.position.step;
  } else if (evaluation_.leaves_out(run_) && !std::exchange(told_of_cost_, true)) {
    log_info(
        "step {:>6}  an evaluation is left out, as others will be while they have cost more than "
        "eval.max_cost = {} of the training FLOPs",
        state.position.step, run_.config().eval.max_cost);
  }
  state.evaluations_due = std::max(state.evaluations_due, evaluation_.times_due(state.position));
}

void Trainer::grow_if_due() {
  TrainState& state = run_.state;
  StageState next = state.stage;
  if (!run_.schedule->advance(state.position, next)) return;
  const int64_t target = run_.schedule->stages()[static_cast<size_t>(next.index)].layers;
  if (state.model->num_layers() != target) grow(target);
  state.stage = next;
}

void Trainer::grow(int64_t target) {
  const RunConfig& config = run_.config();
  TrainState& state = run_.state;
  GrowRow row;
  row.from = state.model->num_layers();
  row.to = target;
  const GrowthProbe before = probe_growth(*state.model, run_.valid.get(), config, *run_.workers);
  const auto start = Clock::now();
  GrownLayers grown =
      grow_layers(state, config.progressive.layer_map, target, config, *run_.shards);
  const double growth_hours = seconds_since(start) / 3600.0;
  const GrowthProbe after = probe_growth(*grown.model, run_.valid.get(), config, *run_.workers);
  // From here on nothing can throw: a signal before it leaves the state before growth.
  row.map = std::move(grown.map);
  state.model = std::move(grown.model);
  state.optimizer = std::move(grown.optimizer);
  state.position.hours += growth_hours;
  row.loss_before = before.full_loss;
  row.loss_after = after.full_loss;
  row.own_loss_before = before.own_loss;
  row.own_loss_after = after.own_loss;
  state.eval_flops += before.flops + after.flops;
  log_->growth(state, row);
  if (run_.workers->size() > 1) {
    run_.workers->expect_equal(bits_of(state.model->parameters()), "other weights after a growth");
  }
  agree();
}

void Trainer::save_if_due(bool finished) {
  if (!save_times_.is_due(run_.state) && !finished) return;
  // No step follows that would need what the last one freed, and a copy of the state does.
  if (finished) return_freed_memory();
  run_.state.checkpoints_due = save_times_.times_due(run_.state.position);
  save();
}

void Trainer::save() {
  CheckpointNames names = save_times_.take_names(run_.state);
  const bool leads = run_.workers->leads();
  if (!leads && !run_.shards->share_moments()) return;
  const auto start = Clock::now();
  if (leads) log_written(writer_->wait());
  OptimizerState moments =
      run_.shards->on_host(run_.state.optimizer, run_.state.model->parameters().layout());
  if (!leads) return;
  run_.state.energy_joules = energy_joules().value_or(0.0);
  CheckpointInfo info = run_.identity;
  info.metrics_bytes = log_->flush();
  CheckpointCopy copy = copy_for_checkpoint(run_.state, std::move(moments), info);
  copy.revisions = std::move(names.revisions);
  copy.is_best = names.is_best;
  writer_->start(std::move(copy), start);
  run_.state.position.hours += seconds_since(start) / 3600.0;
}

void Trainer::wait_for_checkpoint() {
  if (writer_) log_written(writer_->wait());
}

void Trainer::leave_together() {
  wait_for_checkpoint();
  run_.workers->gather({});
}

void Trainer::log_written(const std::optional<WrittenCheckpoint>& written) {
  if (written) log_->checkpoint(run_.state, *written);
}

std::optional<double> Trainer::energy_joules() {
  const auto joules = energy_.joules();
  if (!joules) return std::nullopt;
  return energy_before_ + *joules;
}

}  // namespace apollo
