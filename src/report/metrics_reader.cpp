#include "report/metrics_reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/json_lines.h"
#include "runlog/row_json.h"

namespace apollo {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct StepField {
  std::string_view name;
  std::vector<double> StepColumns::*column;
};

constexpr std::array<StepField, 13> kStepFields = {{
    {"step", &StepColumns::step},
    {"tokens", &StepColumns::tokens},
    {"flops", &StepColumns::flops},
    {"wall_s", &StepColumns::wall_s},
    {"energy_j", &StepColumns::energy_j},
    {"loss", &StepColumns::loss},
    {"lr", &StepColumns::lr},
    {"grad_norm", &StepColumns::grad_norm},
    {"stage", &StepColumns::stage},
    {"layers", &StepColumns::layers},
    {"depth", &StepColumns::depth},
    {"tokens_per_s", &StepColumns::tokens_per_s},
    {"model_flops_utilisation", &StepColumns::model_flops_utilisation},
}};
constexpr size_t kNoField = kStepFields.size();
// Without these a row has no place on an axis.
constexpr size_t kNumAxisFields = 4;

// Receives one row from nlohmann's SAX parser, whose interface fixes the names. It gives up without
// an error as soon as the row turns out not to be a step.
class StepRowParser : public nlohmann::json_sax<Json> {
 public:
  std::array<double, kStepFields.size()> values;
  bool is_other_event = false;
  bool is_step = false;

  StepRowParser() { values.fill(kNaN); }

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool number_integer(number_integer_t value) override { return set(static_cast<double>(value)); }
  bool number_unsigned(number_unsigned_t value) override { return set(static_cast<double>(value)); }
  bool number_float(number_float_t value, const string_t&) override { return set(value); }
  bool start_object(std::size_t) override { return enter(); }
  bool start_array(std::size_t) override { return enter(); }
  bool end_object() override { return leave(); }
  bool end_array() override { return leave(); }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

  bool string(string_t& value) override {
    if (nesting_ == 1 && at_event_) {
      is_step = value == "step";
      is_other_event = !is_step;
    }
    return !is_other_event;
  }

  bool key(string_t& name) override {
    if (nesting_ != 1) return true;
    at_event_ = name == "event";
    // Rows have their keys in one order, so the search starts where the last one ended.
    for (size_t i = 0; i < kStepFields.size(); ++i) {
      const size_t candidate = (next_ + i) % kStepFields.size();
      if (kStepFields[candidate].name == name) {
        field_ = candidate;
        next_ = candidate + 1;
        return true;
      }
    }
    field_ = kNoField;
    return true;
  }

 private:
  bool set(double value) {
    if (nesting_ == 1 && field_ != kNoField) values[field_] = value;
    return true;
  }
  bool enter() {
    ++nesting_;
    return true;
  }
  bool leave() {
    --nesting_;
    return true;
  }

  int nesting_ = 0;
  bool at_event_ = false;
  size_t field_ = kNoField;
  size_t next_ = 0;
};

Cost cost_of(const RunPoint& at, std::optional<double> energy_j = {}) {
  return {at.flops, at.wall_s, static_cast<double>(at.tokens), energy_j};
}

Evaluation read_evaluation(const EvalRow& row, int64_t full_layers) {
  Evaluation evaluation;
  evaluation.step = row.step;
  evaluation.cost = cost_of(row, row.energy_j);
  evaluation.depth = static_cast<double>(row.depth);
  evaluation.loss = row.loss;
  evaluation.accuracy = row.accuracy;
  // The exponential of a masked loss is not a perplexity of the text.
  if (!evaluation.accuracy) {
    evaluation.ppl = row.ppl;
    evaluation.bpb = row.bpb;
  }
  evaluation.eval_flops = row.eval_flops;
  evaluation.full_depth = row.depth == full_layers;
  return evaluation;
}

Cost last_step_cost(const StepColumns& steps) {
  if (steps.size() == 0) return {};
  const double energy = steps.energy_j.back();
  return {steps.flops.back(), steps.wall_s.back(), steps.tokens.back(),
          std::isnan(energy) ? std::nullopt : std::optional(energy)};
}

Growth read_growth(const GrowRow& row, const StepColumns& steps) {
  Growth growth;
  growth.step = row.step;
  growth.from = row.from;
  growth.to = row.to;
  // A growth costs no tokens, so the step before it has their number.
  growth.cost = last_step_cost(steps);
  growth.cost.flops = row.flops;
  growth.cost.wall_s = row.wall_s;
  growth.loss_before = row.loss_before;
  growth.loss_after = row.loss_after;
  return growth;
}

// Drops what a stopped process wrote after the checkpoint from which the run was resumed.
void rewind(RunHistory& run, int64_t step) {
  const auto& steps = run.steps.step;
  const size_t keep = static_cast<size_t>(
      std::upper_bound(steps.begin(), steps.end(), static_cast<double>(step)) - steps.begin());
  for (const StepField& field : kStepFields)
    (run.steps.*field.column).resize(keep);
  const auto is_later = [step](const auto& row) { return row.step > step; };
  std::erase_if(run.evaluations, is_later);
  std::erase_if(run.growths, is_later);
  std::erase_if(run.samples, is_later);
  if (run.test && is_later(*run.test)) run.test.reset();
  run.end.reset();
}

// Every version wrote these; without them a row has no place on an axis.
void require(const Json& json, const std::string& where, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    if (json.contains(key)) continue;
    fail<DataError>("{}: damaged row: '{}' row without '{}'", where,
                    json.at("event").get<std::string>(), key);
  }
}

// Skips events of other versions.
void read_other_row(const Json& json, const std::string& where, RunHistory& run) {
  const auto event = json.find("event");
  if (event == json.end() || !event->is_string() || *event == "") {
    fail<DataError>("{}: damaged row: no 'event'", where);
  } else if (*event == StartRow::kEvent) {
    require(json, where, {"layers"});
    run.info = read_row<StartRow>(json, where);
  } else if (*event == EvalRow::kEvent) {
    require(json, where, {"step", "flops", "wall_s", "tokens", "depth", "loss"});
    run.evaluations.push_back(read_evaluation(read_row<EvalRow>(json, where), run.info.layers));
    run.eval_flops = std::max(run.eval_flops, run.evaluations.back().eval_flops);
  } else if (*event == TestRow::kEvent) {
    require(json, where, {"step", "loss"});
    const TestRow row = read_row<TestRow>(json, where);
    run.test = TestResult{row.step, row.loss, row.data};
  } else if (*event == SampleRow::kEvent) {
    require(json, where, {"step", "text"});
    SampleRow row = read_row<SampleRow>(json, where);
    run.samples.push_back({row.step, std::move(row.prompt), std::move(row.text)});
  } else if (*event == GrowRow::kEvent) {
    require(json, where, {"step", "from", "to", "flops", "wall_s"});
    run.growths.push_back(read_growth(read_row<GrowRow>(json, where), run.steps));
  } else if (*event == ResumeRow::kEvent) {
    require(json, where, {"step"});
    ++run.num_resumes;
    const ResumeRow row = read_row<ResumeRow>(json, where);
    rewind(run, row.step);
    // Rows of earlier versions do not say; their runs kept their length.
    if (row.total_steps > 0) run.info.total_steps = row.total_steps;
    if (row.total_flops > 0.0) run.info.total_flops = row.total_flops;
  } else if (*event == EndRow::kEvent) {
    require(json, where, {"step"});
    const EndRow end = read_row<EndRow>(json, where);
    run.end = RunEnd{end.step, end.reason};
    run.eval_flops = std::max(run.eval_flops, end.eval_flops);
  }
}

void append_step(const StepRowParser& row, const std::string& where, StepColumns& steps) {
  for (size_t i = 0; i < kNumAxisFields; ++i) {
    if (std::isnan(row.values[i])) {
      fail<DataError>("{}: damaged row: 'step' row without '{}'", where, kStepFields[i].name);
    }
  }
  if (!steps.step.empty() && row.values[0] <= steps.step.back()) {
    fail<DataError>("{}: step {} follows step {} without a 'resume' row between", where,
                    row.values[0], steps.step.back());
  }
  for (size_t i = 0; i < kStepFields.size(); ++i) {
    (steps.*kStepFields[i].column).push_back(row.values[i]);
  }
}

}  // namespace

void read_metrics(const std::filesystem::path& path, RunHistory& run) {
  const MappedFile file(path);
  std::string_view rest = file.text();
  const size_t expected_rows = rest.size() / 200;
  for (const StepField& field : kStepFields)
    (run.steps.*field.column).reserve(expected_rows);

  bool started = false;
  for (int64_t line_number = 1; !rest.empty(); ++line_number) {
    const size_t end = rest.find('\n');
    const bool has_end = end != std::string_view::npos;
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(has_end ? end + 1 : rest.size());

    StepRowParser parser;
    const bool parsed = Json::sax_parse(line.begin(), line.end(), &parser);
    const auto where = [&] { return fmt::format("{}:{}", path.string(), line_number); };
    if (parsed && parser.is_step && started) {
      append_step(parser, where(), run.steps);
      continue;
    }
    std::optional<Json> json;
    if (parsed || parser.is_other_event) json = try_parse_json(line);
    if (!json || !json->is_object()) {
      if (!has_end) break;
      fail<DataError>("{}: damaged row: expected a JSON object, found '{}'", where(),
                      line.substr(0, 40));
    }
    const std::string place = where();
    const Json event = json->value("event", Json(""));
    if (!started && event != StartRow::kEvent) {
      fail<DataError>("{}: expected the run's 'start' row first, found '{}'", place,
                      event.is_string() ? event.get<std::string>() : "");
    }
    started = true;
    read_other_row(*json, place, run);
  }
  run.total = last_step_cost(run.steps);
}

}  // namespace apollo
