#include "train/run_evaluation.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "train/ending.h"

namespace apollo {
namespace {

bool wants(const RunConfig& config, EvalDepth which) {
  const auto& depths = config.eval.depths;
  return std::find(depths.begin(), depths.end(), which) != depths.end();
}

std::vector<std::pair<const char*, int64_t>> depths_to_evaluate(const Run& run) {
  const RunConfig& config = run.config();
  const int64_t full_depth = run.model.shape.layers;
  const int64_t stage_depth = run.state.model->num_layers();
  std::vector<std::pair<const char*, int64_t>> wanted;
  if ((wants(config, EvalDepth::kStage) || stage_depth == 0) && stage_depth != full_depth) {
    wanted.emplace_back("stage", stage_depth);
  }
  // Without layers there are none to share in a deeper pass.
  const bool has_layers = stage_depth > 0;
  if (has_layers && (wants(config, EvalDepth::kFull) || stage_depth == full_depth)) {
    wanted.emplace_back("full", full_depth);
  }
  return wanted;
}

EvaluationResult evaluate_at(const Run& run, int64_t depth, const Batches& data,
                             int64_t max_tokens) {
  const RunConfig& config = run.config();
  return evaluate(*run.state.model, depth, data,
                  {.batch_size = config.eval.batch_size > 0 ? config.eval.batch_size
                                                            : config.train.micro_batch_size,
                   .max_tokens = max_tokens,
                   .show_progress = run.workers->leads(),
                   .pass = make_pass_options(config, /*training=*/false),
                   .workers = run.workers.get()});
}

template <class Row>
Row row_of(const Run& run, int64_t depth, const EvaluationResult& result, const DatasetInfo& info) {
  Row row;
  row.depth = depth;
  row.loss = result.loss;
  if (!run.state.model->is_causal()) {
    row.accuracy = result.accuracy;
    return row;
  }
  row.ppl = perplexity(result.loss);
  if (info.text_bytes > 0) row.bpb = bits_per_byte(result.loss, info.num_tokens, info.text_bytes);
  return row;
}

// An evaluation before the first step is none of what the run has come to.
BestEvaluation best_with(const Run& run, const std::vector<EvalRow>& rows) {
  const TrainState& state = run.state;
  BestEvaluation best = state.best;
  if (state.position.step == 0 || state.model->num_layers() != run.model.shape.layers) return best;
  const bool in_last_stage =
      state.stage.index + 1 == static_cast<int64_t>(run.schedule->stages().size());
  best.add(rows.back().loss, state.position.step, in_last_stage);
  return best;
}

}  // namespace

bool RunEvaluation::has_come(const Run& run) const {
  return run.valid != nullptr && times_due(run.state.position) > run.state.evaluations_due;
}

bool RunEvaluation::is_too_dear(const TrainState& state) const {
  return max_cost_ > 0.0 && state.eval_flops > max_cost_ * state.position.flops;
}

bool RunEvaluation::is_due(const Run& run, bool finished) const {
  const TrainState& state = run.state;
  if (run.valid == nullptr || state.last_evaluated_step == state.position.step) return false;
  return finished || (has_come(run) && !is_too_dear(state));
}

bool RunEvaluation::leaves_out(const Run& run) const {
  return has_come(run) && is_too_dear(run.state);
}

EvaluatedRun RunEvaluation::evaluate_now(const Run& run, bool finished) const {
  const auto start = std::chrono::steady_clock::now();
  EvaluatedRun found;
  for (const auto& [which, depth] : depths_to_evaluate(run)) {
    const auto result = evaluate_at(run, depth, *run.valid, run.config().eval.max_tokens);
    found.flops += result.flops;
    found.rows.push_back(row_of<EvalRow>(run, depth, result, run.data.valid->info()));
    found.rows.back().which = which;
  }
  found.best = best_with(run, found.rows);
  found.sample = sample_.take(run);
  if ((finished || is_out_of_patience(found.best, run.config())) && run.test != nullptr) {
    const int64_t depth = run.model.shape.layers;
    const DatasetInfo& info = run.data.test->info();
    const auto result = evaluate_at(run, depth, *run.test, /*max_tokens=*/0);
    found.test = row_of<TestRow>(run, depth, result, info);
    found.test->targets = result.num_targets;
    found.test->data = info.content_hash;
  }
  found.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return found;
}

}  // namespace apollo
