#include "cli/measured_rate.h"

#include "base/machine.h"
#include "model/model.h"
#include "train/speed.h"

namespace apollo {
namespace {

constexpr double kSecondsOfMeasuring = 1.0;

}  // namespace

LastRate measured_rate(const ResolvedConfig& resolved) {
  ResolvedConfig measured = resolved;
  RunConfig::Run& run = measured.config.run;
  if (run.threads == 0) run.threads = num_physical_cores();
  const Speed speed = measure_speed(measured, kSecondsOfMeasuring);
  const LastRate rate{speed.flops_per_second, find_device(run.device).str(), run.threads};
  keep_rate(rate, last_rate_file());
  return rate;
}

void keep_rate_of_run(const RunConfig& config, const std::string& device, const RunPosition& before,
                      const RunPosition& after) {
  const double seconds = 3600.0 * (after.hours - before.hours);
  const double flops = after.flops - before.flops;
  if (seconds < kSecondsOfMeasuring || flops <= 0.0) return;
  keep_rate({flops / seconds, device, config.run.threads}, last_rate_file());
}

}  // namespace apollo
