#include "train/speed.h"

#include <chrono>

#include "base/stop_signal.h"
#include "train/machine.h"
#include "train/matmul_choice.h"
#include "train/train_step.h"

namespace apollo {

Speed measure_speed(const ResolvedConfig& resolved, double seconds) {
  using Clock = std::chrono::steady_clock;
  constexpr int kFewestSteps = 3;
  Run run = prepare_run(resolved, nullptr);
  check_precision(run.config().train.precision, run.device, cpu_multiplies_bf16());
  const MachineScope machine(run.config().run,
                             choose_library(run.config(), run.model.shape, run.device));
  TrainState state;
  state.model = first_model(Beginning{}, run.config(), run.model, *run.train, run.device);
  state.optimizer = run.optimizer->fresh_state(state.model->parameters());
  train_step(state, run);  // sets up memory and threads
  double flops = 0.0;
  const auto start = Clock::now();
  std::chrono::duration<double> passed(0.0);
  for (int step = 0; step < kFewestSteps || passed.count() < seconds; ++step) {
    throw_if_stopped();
    flops += train_step(state, run).flops;
    passed = Clock::now() - start;
  }
  return {.flops_per_second = flops / passed.count(), .train_tokens = run.data.train->size()};
}

}  // namespace apollo
