// When: the stages of a run, the depth of every pass, the end. All that a run of steps, tokens,
// epochs or FLOPs will do is known before it starts, because depth draws depend on (seed, step,
// micro-step) only; a run or stage measured in hours is decided while it runs.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "arch/counts.h"
#include "base/error.h"
#include "config/run_config.h"
#include "progressive/depth_sampler.h"
#include "progressive/layer_map.h"
#include "progressive/lr_curve.h"
#include "progressive/step_plan.h"

namespace apollo {

// Where a run is: before the step numbered `step` (from 0).
struct RunPosition {
  int64_t step = 0;
  double flops = 0.0;  // of training passes; evaluation is charged separately
  double hours = 0.0;

  bool operator==(const RunPosition&) const = default;
};

// A point of the run on one axis: tokens, epochs and percents resolved.
struct Milestone {
  enum class Axis { kSteps, kFlops, kHours, kNever } axis = Axis::kNever;
  double value = 0.0;

  bool reached(const RunPosition& position) const;
  bool operator==(const Milestone&) const = default;
};

// Number of `axis` units at `position`.
double coordinate(const RunPosition& position, Milestone::Axis axis);

// FLOPs of the matrix products of an update, for each layer that trains: Muon's iteration; AdamW
// has none.
double update_flops(OptimizerKind optimizer, const ModelShape& shape);

struct Stage {
  int64_t layers = 0;
  Milestone end;  // the run's end for the last stage
  DepthDistribution depths;
  int64_t depth = 0;   // of a pass that does not rehearse: `layers`, or fewer drawn at random
  int64_t frozen = 0;  // how many of the first layers, and the embedding with them, do not train
  // One size for each depth of a pass, from 0 on; empty: one size for all.
  std::vector<int64_t> micro_batch_sizes = {};
};

// The stage a run is in and where that stage began; part of a checkpoint.
struct StageState {
  int64_t index = 0;
  RunPosition start;
  RunPosition grown = {};  // where layers were added last; stages can follow without any
  int64_t grown_from = 0;  // layers before that

  bool operator==(const StageState&) const = default;
};

class Schedule {
 public:
  // `train_sequences`: sequences per epoch. micro_batch_size 0 counts as the whole batch; the
  // trainer chooses it first (memory.h). Throws ConfigError with every fault: stages that shrink
  // or exceed `layers`, end out of order or after the run, a last stage that is not `layers` deep,
  // lengths that cannot be compared with the run's.
  Schedule(const RunConfig& config, const ModelShape& shape, int64_t train_sequences);

  const std::vector<Stage>& stages() const { return stages_; }
  const Milestone& end() const { return end_; }
  int64_t micro_steps() const { return micro_steps_; }  // of the deepest optimizer step

  bool finished(const RunPosition& position) const;
  // Moves `state` to the stage that holds at `position`: the next one as soon as the current one's
  // end is reached (a stage that has no step is passed through). True where it moved.
  bool advance(const RunPosition& position, StageState& state) const;
  // The step at `position`, in the stage of `state`.
  StepPlan plan_step(const RunPosition& position, const StageState& state) const;
  // Depths of the passes of one step, one per micro-step (all equal with depth_draw = step).
  // Before `rehearse_from` of the stage all are its `depth`.
  std::vector<int64_t> depths_at(const RunPosition& position, const StageState& state) const;
  // The layers that a pass of such a depth runs, in order: shared ones, or a subnetwork where the
  // depth is less than the stage's layers.
  LayerMap blocks_at(int64_t depth, int64_t micro_step, const RunPosition& position,
                     const StageState& state) const;
  // What the learning rate is multiplied with at `progress` of the run (on train.lr_axis):
  // (L/N)^lr_depth_power, and after growth the part of `rewarm` that is over.
  double lr_factor(double progress, const StageState& state) const;
  // Training FLOPs of a step with these depths, those of the update's products included.
  double step_flops(const std::vector<int64_t>& depths, const StageState& state) const;
  // Whether the blocks of a pass of `depth` are computed again in its backward pass.
  bool recomputes(int64_t depth, const StageState& state) const;
  // Sequences of a pass of `depth`: micro_batch_size, or more with micro_batch_by_depth (memory.h).
  int64_t micro_batch_size(int64_t depth, const StageState& state) const;
  // Sequences of micro-step `m` of a step at `depth`: the same, or what is left of the batch.
  int64_t micro_batch_rows(int64_t depth, int64_t micro_step, const StageState& state) const;
  // Share of the run that is over, in [0, 1], on the axis asked for. On the step axis of a run that
  // lasts a number of FLOPs (or the other way round) the total is that of the simulated run; a
  // run of hours is measured in hours on either axis, and a run with a stage of hours on its own.
  double progress(const RunPosition& position, LrAxis axis) const;
  // The same for a length such as warm-up: its share of the run on that axis, in [0, 1]. Throws
  // UsageError where only the run will tell (steps in a run of hours).
  double share(const Duration& duration, LrAxis axis) const;

  // `duration` counted from the start of the run; percents are of the run.
  Milestone milestone(const Duration& duration) const { return resolve(duration, duration_); }

  // Totals of the simulated run; 0 where only the run will tell (hours).
  int64_t total_steps() const { return total_steps_; }
  double total_flops() const { return total_flops_; }

  // What the simulation found, stage by stage (empty for a run of hours).
  struct StageSummary {
    int64_t layers = 0;
    int64_t first_step = 0;
    int64_t num_steps = 0;
    double mean_depth = 0.0;  // of the passes that will run
    double flops = 0.0;
    int64_t num_rehearsal_steps = 0;  // steps whose depths were drawn
  };
  const std::vector<StageSummary>& summaries() const { return summaries_; }

 private:
  // `duration` as a point of the run, counted from its start; percents are of `whole`.
  Milestone resolve(const Duration& duration, const Duration& whole) const;
  void make_stages(const RunConfig& config);
  void find_num_steps(const RunConfig& config);
  bool resolve_stages(const RunConfig& config, std::vector<Diagnostic>& faults);
  Stage make_stage(const RunConfig& config, size_t index, const Milestone& end) const;
  void check_lengths(const RunConfig& config, std::vector<Diagnostic>& faults) const;
  // Runs through all steps up to `until` or the end, without training.
  RunPosition simulate(const Milestone& until, std::vector<StageSummary>* summaries) const;
  void simulate_run(const RunConfig& config, std::vector<Diagnostic>& faults);
  bool rehearses(const RunPosition& position, const StageState& state) const;
  LrCurve lr_curve(const RunConfig::Train& train) const;
  double step_lr(const RunPosition& before, const StageState& state, double flops) const;
  // The depths of a step's passes, all of them the same.
  std::vector<int64_t> depths_of_step(int64_t depth, const StageState& state) const;
  int64_t draw_depth_at(int64_t step, int64_t micro_step, const Stage& stage) const;
  Milestone::Axis axis_of(LrAxis axis) const;
  double total(Milestone::Axis axis) const;

  ModelShape shape_;
  int64_t targets_per_sequence_ = 0;
  double update_flops_ = 0.0;  // of a layer that trains: update_flops()
  std::vector<Stage> stages_;
  Milestone end_;
  uint64_t seed_ = 0;
  Recompute recompute_ = Recompute::kNone;
  LrAxis lr_axis_ = LrAxis::kSteps;
  LrCurve lr_;
  RunConfig::Progressive keys_;
  bool known_ahead_ = true;  // nothing is measured in hours
  int64_t batch_size_ = 0;
  int64_t micro_batch_size_ = 0;
  int64_t micro_steps_ = 1;
  int64_t train_sequences_ = 0;
  int64_t total_steps_ = 0;
  double num_steps_ = 0.0;  // what "% steps" are shares of; 0: not known
  double total_flops_ = 0.0;
  Duration duration_;
  double rewarm_share_ = 0.0;  // of the run
  std::vector<StageSummary> summaries_;
};

}  // namespace apollo
