#include "report/curves.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <string_view>

#include "base/json_lines.h"

namespace apollo {
namespace {

void append_number(std::string& out, double value) {
  if (std::isfinite(value)) {
    fmt::format_to(std::back_inserter(out), "{:.7g}", value);
  } else {
    out += "null";
  }
}

void append_column(std::string& out, std::string_view name, std::span<const double> values) {
  fmt::format_to(std::back_inserter(out), "{}\"{}\":[", out.back() == '{' ? "" : ",", name);
  for (size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ',';
    append_number(out, values[i]);
  }
  out += ']';
}

struct Buckets {
  std::vector<size_t> end;  // of bucket i, which begins at the end of the one before

  explicit Buckets(size_t num_steps) {
    const size_t count = std::min(num_steps, kMaxBuckets);
    for (size_t i = 1; i <= count; ++i)
      end.push_back(i * num_steps / count);
  }
  size_t begin(size_t bucket) const { return bucket == 0 ? 0 : end[bucket - 1]; }
  size_t size() const { return end.size(); }
};

std::vector<double> at_ends(const std::vector<double>& column, const Buckets& buckets) {
  std::vector<double> values;
  for (const size_t end : buckets.end)
    values.push_back(column[end - 1]);
  return values;
}

struct Envelope {
  std::vector<double> least;
  std::vector<double> greatest;
  std::vector<double> mean;
};

// Values that are not finite are skipped; a bucket with no others is NaN.
Envelope envelope(const std::vector<double>& column, const Buckets& buckets) {
  Envelope result;
  for (size_t bucket = 0; bucket < buckets.size(); ++bucket) {
    double least = INFINITY;
    double greatest = -INFINITY;
    double sum = 0.0;
    int64_t count = 0;
    for (size_t i = buckets.begin(bucket); i < buckets.end[bucket]; ++i) {
      if (!std::isfinite(column[i])) continue;
      least = std::min(least, column[i]);
      greatest = std::max(greatest, column[i]);
      sum += column[i];
      ++count;
    }
    result.least.push_back(count > 0 ? least : NAN);
    result.greatest.push_back(count > 0 ? greatest : NAN);
    result.mean.push_back(count > 0 ? sum / static_cast<double>(count) : NAN);
  }
  return result;
}

// Exponential average with bias correction, so that the first steps are not drawn to zero. It
// starts anew with every stage: a sudden change by growth must not look like a slope.
std::vector<double> smooth(const std::vector<double>& column, const std::vector<double>& stage) {
  const double window = std::max(1.0, static_cast<double>(column.size()) / 100.0);
  const double keep = std::exp(-1.0 / window);
  std::vector<double> values;
  values.reserve(column.size());
  double sum = 0.0;
  double weight = 0.0;
  for (size_t i = 0; i < column.size(); ++i) {
    if (i > 0 && stage[i] != stage[i - 1]) sum = weight = 0.0;
    const double value = column[i];
    if (std::isfinite(value)) {
      sum = keep * sum + (1.0 - keep) * value;
      weight = keep * weight + (1.0 - keep);
    }
    values.push_back(weight > 0.0 ? sum / weight : NAN);
  }
  return values;
}

void append_steps(std::string& out, const StepColumns& steps) {
  const Buckets buckets(steps.size());
  out += "\"steps\":{";
  append_column(out, "step", at_ends(steps.step, buckets));
  append_column(out, "tokens", at_ends(steps.tokens, buckets));
  append_column(out, "flops", at_ends(steps.flops, buckets));
  append_column(out, "wall_s", at_ends(steps.wall_s, buckets));
  append_column(out, "lr", at_ends(steps.lr, buckets));
  append_column(out, "layers", at_ends(steps.layers, buckets));
  const auto append_noisy = [&](const std::string& name, const std::vector<double>& column) {
    const Envelope range = envelope(column, buckets);
    append_column(out, name + "_min", range.least);
    append_column(out, name + "_max", range.greatest);
    append_column(out, name, at_ends(smooth(column, steps.stage), buckets));
  };
  append_noisy("loss", steps.loss);
  append_noisy("grad_norm", steps.grad_norm);
  append_noisy("depth", steps.depth);
  append_noisy("tokens_per_s", steps.tokens_per_s);
  append_noisy("model_flops_utilisation", steps.model_flops_utilisation);
  out += '}';
}

void append_evaluations(std::string& out, std::string_view name,
                        const std::vector<Evaluation>& evaluations) {
  std::vector<double> step, tokens, flops, wall_s, loss, depth, accuracy;
  for (const Evaluation& evaluation : evaluations) {
    step.push_back(static_cast<double>(evaluation.step));
    tokens.push_back(evaluation.cost.tokens);
    flops.push_back(evaluation.cost.flops);
    wall_s.push_back(evaluation.cost.wall_s);
    loss.push_back(evaluation.loss);
    depth.push_back(evaluation.depth);
    if (evaluation.accuracy) accuracy.push_back(*evaluation.accuracy);
  }
  fmt::format_to(std::back_inserter(out), ",\"{}\":{{", name);
  append_column(out, "step", step);
  append_column(out, "tokens", tokens);
  append_column(out, "flops", flops);
  append_column(out, "wall_s", wall_s);
  append_column(out, "loss", loss);
  append_column(out, "depth", depth);
  if (!accuracy.empty() && accuracy.size() == step.size()) append_column(out, "accuracy", accuracy);
  out += '}';
}

}  // namespace

std::string chart_data(const RunHistory& run, const std::string& name) {
  std::vector<Evaluation> stage_evaluations;
  std::copy_if(run.evaluations.begin(), run.evaluations.end(),
               std::back_inserter(stage_evaluations),
               [](const Evaluation& evaluation) { return !evaluation.full_depth; });
  Json growths = Json::array();
  for (const Growth& growth : run.growths) {
    growths.push_back({{"step", growth.step},
                       {"tokens", growth.cost.tokens},
                       {"flops", growth.cost.flops},
                       {"wall_s", growth.cost.wall_s},
                       {"from", growth.from},
                       {"to", growth.to}});
  }
  const auto dump = [](const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
  };
  std::string out = "{";
  append_steps(out, run.steps);
  append_evaluations(out, "evals", full_depth_evaluations(run));
  append_evaluations(out, "stage_evals", stage_evaluations);
  fmt::format_to(std::back_inserter(out),
                 ",\"name\":{},\"method\":{},\"layers\":{},\"growths\":{}}}", dump(name),
                 dump(run.info.method), run.info.layers, dump(growths));
  return out;
}

}  // namespace apollo
