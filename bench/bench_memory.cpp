// Measures the resident memory of what a stage of N layers holds, as the system counts it:
// parameters, gradients and both moments. It prints one JSON line for each N.
//
//   bench_memory WIDTH HEADS CONTEXT VOCABULARY LAYERS N...
#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/json_lines.h"
#include "model/model.h"
#include "optim/adamw.h"

namespace apollo {
namespace {

int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t total_pages = 0;
  int64_t resident_pages = 0;
  file >> total_pages >> resident_pages;
  return resident_pages * sysconf(_SC_PAGESIZE);
}

void measure(const ModelSpec& spec, int64_t layers) {
  const int64_t before = resident_bytes();
  auto model = make_model(spec, layers, at::Device(at::kCPU));
  model->parameters().initialize(/*seed=*/1);
  model->parameters().zero_gradients();
  const AdamW optimizer{AdamWOptions{}};
  OptimizerState state = optimizer.fresh_state(model->parameters());
  optimizer.step(model->parameters(), state, /*lr=*/1e-3);
  const int64_t after = resident_bytes();
  fmt::print("{}\n", Json{{"layers", layers},
                          {"parameters", num_parameters(spec.shape, layers)},
                          {"resident_bytes", after - before}}
                         .dump());
}

}  // namespace
}  // namespace apollo

int main(int argc, char** argv) {
  if (argc < 7) {
    fmt::print(stderr, "usage: bench_memory WIDTH HEADS CONTEXT VOCABULARY LAYERS N...\n");
    return 2;
  }
  apollo::ModelSpec spec;
  spec.shape = {apollo::Architecture::kGpt2, std::atoll(argv[5]), std::atoll(argv[1]),
                std::atoll(argv[2]),         std::atoll(argv[3]), std::atoll(argv[4])};
  for (int i = 6; i < argc; ++i)
    apollo::measure(spec, std::atoll(argv[i]));
  return 0;
}
