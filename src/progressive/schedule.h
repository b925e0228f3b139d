// When things happen: the stages of a run, the depth of every pass, the end. Depth draws depend
// only on (seed, step, micro-step), so everything that a run of steps, tokens, epochs or FLOPs will
// do is known before it starts. A run or stage measured in hours is decided while it runs.
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

// The place of a run before the step numbered `step` (from 0).
struct RunPosition {
  int64_t step = 0;
  double flops = 0.0;  // of training passes; evaluation is charged separately
  double hours = 0.0;

  bool operator==(const RunPosition&) const = default;
};

// A point of the run on one axis; tokens, epochs and percents are converted to it.
struct Milestone {
  enum class Axis { kSteps, kFlops, kHours, kNever } axis = Axis::kNever;
  double value = 0.0;

  bool reached(const RunPosition& position) const;
  bool operator==(const Milestone&) const = default;
};

// Returns the number of `axis` units at `position`.
double coordinate(const RunPosition& position, Milestone::Axis axis);

// Returns the FLOPs of the matrix products in an update, per trained layer: Muon's iteration. AdamW
// has none.
double update_flops(OptimizerKind optimizer, const ModelShape& shape);

struct Stage {
  int64_t layers = 0;
  Milestone end;  // the run's end for the last stage
  DepthDistribution depths;
  int64_t depth = 0;   // of a pass that does not rehearse: `layers`, or fewer, drawn at random
  int64_t frozen = 0;  // so many first layers, and the embedding with them, do not train
  // One size for each depth of a pass, from 0 on; empty: one size for all depths.
  std::vector<int64_t> micro_batch_sizes = {};
};

// The stage a run is in and where that stage began; part of a checkpoint.
struct StageState {
  int64_t index = 0;
  RunPosition start;
  RunPosition grown = {};  // where layers were last added; not every stage adds some
  int64_t grown_from = 0;  // the number of layers before that

  bool operator==(const StageState&) const = default;
};

class Schedule {
 public:
  // `train_sequences`: sequences per epoch. micro_batch_size 0 counts as the whole batch here; the
  // trainer chooses it first (memory.h). Throws ConfigError with every fault: stages that shrink or
  // exceed `layers`, stages that end out of order or after the run, a last stage that is not
  // `layers` deep, and lengths that cannot be compared with the run's.
  Schedule(const RunConfig& config, const ModelShape& shape, int64_t train_sequences);

  const std::vector<Stage>& stages() const { return stages_; }
  const Milestone& end() const { return end_; }
  int64_t micro_steps() const { return micro_steps_; }  // of the deepest optimizer step

  bool finished(const RunPosition& position) const;
  // Moves `state` to the stage at `position`: to the next stage as soon as the end of the current
  // one is reached. A stage without any step is skipped. Returns whether it moved.
  bool advance(const RunPosition& position, StageState& state) const;
  // Returns the plan of the step at `position`, in the stage of `state`.
  StepPlan plan_step(const RunPosition& position, const StageState& state) const;
  // Returns the depths of the passes of one step, one per micro-step (all equal with
  // depth_draw = step). Before `rehearse_from` of the stage all are its `depth`.
  std::vector<int64_t> depths_at(const RunPosition& position, const StageState& state) const;
  // Returns the layers that a pass of `depth` runs, in order. They are shared if the depth exceeds
  // the stage's layers, and a subnetwork if it is smaller.
  LayerMap blocks_at(int64_t depth, int64_t micro_step, const RunPosition& position,
                     const StageState& state) const;
  // Returns the factor on the learning rate at `progress` of the run (on train.lr_axis):
  // (L/N)^lr_depth_power, times the part of `rewarm` that is over after growth.
  double lr_factor(double progress, const StageState& state) const;
  // Returns the training FLOPs of a step with these depths, including the update's products.
  double step_flops(const std::vector<int64_t>& depths, const StageState& state) const;
  // Whether the blocks of a pass of `depth` are computed again in its backward pass.
  bool recomputes(int64_t depth, const StageState& state) const;
  // Returns the sequences of a pass of `depth`: micro_batch_size, or more with micro_batch_by_depth
  // (memory.h).
  int64_t micro_batch_size(int64_t depth, const StageState& state) const;
  // Returns the sequences of one micro-step at `depth`: the same, or what is left of the batch.
  int64_t micro_batch_rows(int64_t depth, int64_t micro_step, const StageState& state) const;
  // Returns the share of the run that is over, in [0, 1], on the given axis. For the step axis of a
  // run measured in FLOPs (or the other way round) the total comes from the simulated run. A run of
  // hours is measured in hours on either axis; a run with a stage of hours is measured on its own
  // axis.
  double progress(const RunPosition& position, LrAxis axis) const;
  // Returns the same for a length such as the warm-up: its share of the run on that axis, in
  // [0, 1]. Throws UsageError if only the run will tell (steps in a run of hours).
  double share(const Duration& duration, LrAxis axis) const;

  // Returns `duration` after the start of the run as a milestone; percents are of the run.
  Milestone milestone(const Duration& duration) const { return resolve(duration, duration_); }

  // Totals of the simulated run; 0 if only the run will tell (hours).
  int64_t total_steps() const { return total_steps_; }
  double total_flops() const { return total_flops_; }

  // The result of the simulation, stage by stage (empty for a run of hours).
  struct StageSummary {
    int64_t layers = 0;
    int64_t first_step = 0;
    int64_t num_steps = 0;
    double mean_depth = 0.0;  // of the passes that will run
    double flops = 0.0;
    int64_t num_rehearsal_steps = 0;  // steps whose depths are drawn
  };
  const std::vector<StageSummary>& summaries() const { return summaries_; }

 private:
  // Returns the point of the run that lies `duration` after its start; percents are of `whole`.
  Milestone resolve(const Duration& duration, const Duration& whole) const;
  void make_stages(const RunConfig& config);
  void find_num_steps(const RunConfig& config);
  bool resolve_stages(const RunConfig& config, std::vector<Diagnostic>& faults);
  Stage make_stage(const RunConfig& config, size_t index, const Milestone& end) const;
  void check_lengths(const RunConfig& config, std::vector<Diagnostic>& faults) const;
  // Simulates all steps up to `until` or the end, without training.
  RunPosition simulate(const Milestone& until, std::vector<StageSummary>* summaries) const;
  void simulate_run(const RunConfig& config, std::vector<Diagnostic>& faults);
  bool rehearses(const RunPosition& position, const StageState& state) const;
  LrCurve lr_curve(const RunConfig::Train& train) const;
  double step_lr(const RunPosition& before, const StageState& state, double flops) const;
  // Returns the depths of a step's passes if all have the same depth.
  std::vector<int64_t> depths_of_step(int64_t depth, const StageState& state) const;
  int64_t draw_depth_at(int64_t step, int64_t micro_step, const Stage& stage) const;
  Milestone::Axis axis_of(LrAxis axis) const;
  double total(Milestone::Axis axis) const;

  ModelShape shape_;
  int64_t targets_per_sequence_ = 0;
  double update_flops_ = 0.0;  // per trained layer: update_flops()
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
  double num_steps_ = 0.0;  // the total that "% steps" refers to; 0: unknown
  double total_flops_ = 0.0;
  Duration duration_;
  double rewarm_share_ = 0.0;  // `rewarm` as a share of the run
  std::vector<StageSummary> summaries_;
};

}  // namespace apollo
