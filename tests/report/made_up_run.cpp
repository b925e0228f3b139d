#include "report/made_up_run.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "base/file.h"

namespace apollo {
namespace {

constexpr int64_t kLayers = 12;
constexpr double kTokensPerStep = 16384;
// FLOPs per token, forward and backward, of one layer, and of embedding and head.
constexpr double kLayerFlops = 6.0e5;
constexpr double kHeadFlops = 1.2e6;

struct Stage {
  int64_t layers;
  double until;  // share of the FLOPs; the last stage has no end
};

std::vector<Stage> stages_of(const std::string& method) {
  if (method == "scratch") return {{12, 2.0}};
  return {{1, 0.05}, {3, 0.15}, {6, 0.4}, {12, 2.0}};
}

double step_flops(double depth) {
  return kTokensPerStep * (kHeadFlops + depth * kLayerFlops);
}

double learning_rate(double progress) {
  constexpr double kPeak = 1e-3;
  constexpr double kWarmup = 0.025;
  if (progress < kWarmup) return kPeak * progress / kWarmup;
  return 0.5 * kPeak * (1.0 + std::cos(M_PI * (progress - kWarmup) / (1.0 - kWarmup)));
}

// A power law in FLOPs; growing is worth a factor of compute.
double loss_at(double progress, double advantage) {
  const double compute = std::max(progress, 1e-4) * advantage;
  return 1.35 + 0.46 * std::pow(compute, -0.32);
}

const char* run_toml(const std::string& method) {
  return method == "scratch" ? R"([run]
name = "scratch"
seed = 42
[train]
lr = 0.002
lr_axis = "flops"
batch_size = 64
[progressive]
method = "scratch"
stages = [{layers = 12}]
)"
                             : R"([run]
name = "apollo"
seed = 42
[train]
lr = 0.001
lr_axis = "flops"
batch_size = 64
[progressive]
method = "apollo"
stages = [{layers = 1, until = "5%"}, {layers = 3, until = "15%"}, {layers = 6, until = "40%"}, {layers = 12}]
layer_map = "interpolate"
depth_sampler = "lvps"
rehearse_from = 0.8
)";
}

// Walks one run from its first step to its end.
class Simulation {
 public:
  Simulation(JsonLinesWriter& out, const std::string& method, int64_t num_steps, uint64_t seed)
      : out_(out),
        stages_(stages_of(method)),
        advantage_(method == "scratch" ? 1.0 : 1.55),
        num_steps_(num_steps),
        total_flops_(static_cast<double>(num_steps) * step_flops(kLayers)),
        random_(seed) {}

  void run() {
    const int64_t eval_every = std::max<int64_t>(1, num_steps_ / 25);
    while (flops_ < total_flops_) {
      step();
      if (step_ % eval_every == 0) evaluate();
      if (progress_ >= stages_[stage_].until) grow();
    }
    if (step_ % eval_every != 0) evaluate();
    out_.write({{"event", "end"},
                {"step", step_},
                {"tokens", tokens_},
                {"flops", flops_},
                {"eval_flops", eval_flops_},
                {"wall_s", wall_s_},
                {"energy_j", nullptr},
                {"reason", "finished"}});
  }

 private:
  double noise(double scale) { return scale * normal_(random_); }

  void step() {
    const int64_t layers = stages_[stage_].layers;
    const bool rehearses = layers < kLayers && progress_ > 0.8 * stages_[stage_].until;
    const double depth = rehearses && uniform_(random_) < 0.35
                             ? std::floor(layers + uniform_(random_) * (kLayers + 1 - layers))
                             : static_cast<double>(layers);
    ++step_;
    tokens_ += kTokensPerStep;
    flops_ += step_flops(depth);
    progress_ = flops_ / total_flops_;
    const double seconds = 0.02 + 0.012 * depth + std::abs(noise(0.002));
    wall_s_ += seconds;
    const double own_depth = 0.25 * (1.0 - depth / kLayers);
    const double grad_norm = (0.3 + 2.0 * std::pow(progress_ + 0.01, -0.25)) *
                             std::exp(noise(0.25)) * (uniform_(random_) < 0.002 ? 6.0 : 1.0) / 4.0;
    out_.write({{"event", "step"},
                {"step", step_},
                {"tokens", tokens_},
                {"flops", flops_},
                {"wall_s", wall_s_},
                {"energy_j", nullptr},
                {"loss", loss_at(progress_, advantage_) + own_depth + noise(0.06)},
                {"lr", learning_rate(std::min(1.0, progress_))},
                {"grad_norm", grad_norm},
                {"stage", stage_},
                {"layers", layers},
                {"depth", depth},
                {"tokens_per_s", kTokensPerStep / seconds}});
  }

  void write_eval(double depth, const char* which, double loss) {
    eval_flops_ += 2e5 * (kHeadFlops + depth * kLayerFlops) / 3.0;
    out_.write({{"event", "eval"},
                {"step", step_},
                {"tokens", tokens_},
                {"flops", flops_},
                {"wall_s", wall_s_},
                {"energy_j", nullptr},
                {"which", which},
                {"depth", depth},
                {"loss", loss},
                {"ppl", std::exp(loss)},
                {"bpb", loss / std::log(2.0)},
                {"eval_flops", eval_flops_}});
  }

  void evaluate() {
    const int64_t layers = stages_[stage_].layers;
    const double full = loss_at(progress_, advantage_) + 0.03 + noise(0.004);
    // An unrehearsed model is far worse at full depth than at its own.
    if (layers < kLayers) {
      write_eval(static_cast<double>(layers), "stage", full + 0.2 * (1.0 - layers / 12.0));
    }
    write_eval(kLayers, "full", full + 0.5 * (1.0 - layers / 12.0));
  }

  void grow() {
    const int64_t from = stages_[stage_++].layers;
    const double before = loss_at(progress_, advantage_) + 0.5 * (1.0 - from / 12.0);
    out_.write({{"event", "grow"},
                {"step", step_},
                {"flops", flops_},
                {"wall_s", wall_s_},
                {"from", from},
                {"to", stages_[stage_].layers},
                {"map", Json::array()},
                {"loss_before", before},
                {"loss_after", before}});
  }

  JsonLinesWriter& out_;
  std::vector<Stage> stages_;
  double advantage_;
  int64_t num_steps_;
  double total_flops_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  std::uniform_real_distribution<double> uniform_;
  size_t stage_ = 0;
  int64_t step_ = 0;
  double progress_ = 0.0;
  double tokens_ = 0.0;
  double flops_ = 0.0;
  double wall_s_ = 0.0;
  double eval_flops_ = 0.0;
};

}  // namespace

Json start_row(const std::string& name, const std::string& method) {
  return {{"event", "start"},
          {"version", "0.1.0"},
          {"time", "2026-11-24T20:00:00Z"},
          {"name", name},
          {"method", method},
          {"architecture", "gpt2"},
          {"layers", kLayers},
          {"width", 384},
          {"heads", 6},
          {"context", 256},
          {"vocab_size", 8192},
          {"parameters", 24500000},
          {"batch_size", 64},
          {"micro_batch_size", 16},
          {"tokens_per_step", kTokensPerStep},
          {"total_steps", 100},
          {"total_flops", 1e15},
          {"seed", 42},
          {"device", "cpu"},
          {"threads", 2},
          {"precision", "fp32"},
          {"kernels", "fused"},
          {"train_data", "aaaa"},
          {"valid_data", "bbbb"},
          {"tokenizer", "cccc"},
          {"energy_source", "none"},
          {"torch", "2.13.0"}};
}

Json step_row(int64_t step, double flops, double wall_s, double loss) {
  return {{"event", "step"},       {"step", step},        {"tokens", 10 * step}, {"flops", flops},
          {"wall_s", wall_s},      {"energy_j", nullptr}, {"loss", loss},        {"lr", 1e-3},
          {"grad_norm", 1.0},      {"stage", 0},          {"layers", kLayers},   {"depth", 12.0},
          {"tokens_per_s", 1000.0}};
}

Json eval_row(int64_t step, double flops, double wall_s, double depth, double loss) {
  return {{"event", "eval"},
          {"step", step},
          {"tokens", 10 * step},
          {"flops", flops},
          {"wall_s", wall_s},
          {"energy_j", nullptr},
          {"which", depth == kLayers ? "full" : "stage"},
          {"depth", depth},
          {"loss", loss},
          {"ppl", std::exp(loss)},
          {"bpb", nullptr},
          {"eval_flops", 7.0}};
}

Json masked_eval_row(int64_t step, double flops, double wall_s, double depth, double loss,
                     double accuracy) {
  Json row = eval_row(step, flops, wall_s, depth, loss);
  row.erase("ppl");
  row.erase("bpb");
  row["accuracy"] = accuracy;
  return row;
}

Json end_row(int64_t step, const std::string& reason) {
  return {{"event", "end"}, {"step", step}, {"reason", reason}, {"eval_flops", 9.0}};
}

void write_run(const std::filesystem::path& folder, const std::vector<Json>& rows) {
  std::filesystem::create_directories(folder);
  JsonLinesWriter out(folder / "metrics.jsonl", 0);
  for (const Json& row : rows)
    out.write(row);
  out.flush();
}

void write_realistic_run(const std::filesystem::path& folder, const std::string& name,
                         const std::string& method, int64_t num_steps, uint64_t seed) {
  std::filesystem::create_directories(folder);
  JsonLinesWriter out(folder / "metrics.jsonl", 0);
  Json start = start_row(name, method);
  start["seed"] = seed;
  start["total_flops"] = static_cast<double>(num_steps) * step_flops(kLayers);
  out.write(start);
  Simulation(out, method, num_steps, seed).run();
  out.flush();
  write_file_atomic(folder / "run.toml", run_toml(method));
}

}  // namespace apollo
