#include "report/metrics_reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/json_lines.h"

namespace apollo {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct StepField {
  std::string_view name;
  std::vector<double> StepColumns::*column;
};

constexpr std::array<StepField, 12> kStepFields = {{
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
}};
constexpr size_t kNoField = kStepFields.size();
// Without these a row cannot be placed on an axis.
constexpr size_t kNumAxisFields = 4;

// Receives one row from nlohmann's SAX parser (its interface fixes the names). Gives up, without an
// error, as soon as the row turns out not to be a step.
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
    // Rows come with their keys in one order, so the search starts where the last one ended.
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

// A row that is not a step, with the place to blame.
class Row {
 public:
  Row(const Json& json, const std::string& where) : json_(json), where_(where) {}

  double number(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) {
      fail<DataError>("{}: damaged row: '{}' row without '{}'", where_, event(), key);
    }
    if (found->is_null()) return kNaN;
    if (!found->is_number()) {
      fail<DataError>("{}: damaged row: expected a number for '{}', found '{}'", where_, key,
                      found->dump());
    }
    return found->get<double>();
  }
  int64_t integer(const char* key) const {
    const double value = number(key);
    return std::isfinite(value) ? static_cast<int64_t>(value) : 0;
  }
  std::optional<double> optional_number(const char* key) const {
    if (!json_.contains(key)) return std::nullopt;
    const double value = number(key);
    return std::isfinite(value) ? std::optional(value) : std::nullopt;
  }
  std::string text(const char* key) const {
    const auto found = json_.find(key);
    return found != json_.end() && found->is_string() ? found->get<std::string>() : "";
  }
  bool flag(const char* key) const {
    const auto found = json_.find(key);
    return found != json_.end() && found->is_boolean() && found->get<bool>();
  }
  std::string event() const { return text("event"); }
  int64_t optional_integer(const char* key) const {
    return static_cast<int64_t>(optional_number(key).value_or(0.0));
  }
  uint64_t seed() const {
    const auto found = json_.find("seed");
    return found != json_.end() && found->is_number_integer() ? found->get<uint64_t>() : 0;
  }
  Cost cost() const {
    return {number("flops"), number("wall_s"), number("tokens"), optional_number("energy_j")};
  }

 private:
  const Json& json_;
  const std::string& where_;
};

RunInfo read_start(const Row& row) {
  RunInfo info;
  info.version = row.text("version");
  info.time = row.text("time");
  info.name = row.text("name");
  info.method = row.text("method");
  info.architecture = row.text("architecture");
  info.device = row.text("device");
  info.precision = row.text("precision");
  info.kernels = row.text("kernels");
  info.matmul = row.text("matmul");
  info.train_data = row.text("train_data");
  info.valid_data = row.text("valid_data");
  info.tokenizer = row.text("tokenizer");
  info.energy_source = row.text("energy_source");
  info.torch = row.text("torch");
  info.layers = row.integer("layers");
  info.width = row.optional_integer("width");
  info.heads = row.optional_integer("heads");
  info.context = row.optional_integer("context");
  info.vocab_size = row.optional_integer("vocab_size");
  info.parameters = row.optional_integer("parameters");
  info.batch_size = row.optional_integer("batch_size");
  info.tokens_per_step = row.optional_integer("tokens_per_step");
  info.total_steps = row.optional_integer("total_steps");
  info.total_flops = row.optional_number("total_flops").value_or(0.0);
  info.source = row.text("source");
  info.source_flops = row.optional_number("source_flops");
  info.source_charged = row.flag("source_charged");
  info.seed = row.seed();
  info.threads = row.optional_integer("threads");
  return info;
}

Evaluation read_evaluation(const Row& row, int64_t full_layers) {
  Evaluation evaluation;
  evaluation.step = row.integer("step");
  evaluation.cost = row.cost();
  evaluation.depth = row.number("depth");
  evaluation.loss = row.number("loss");
  evaluation.accuracy = row.optional_number("accuracy");
  // The exponential of a masked loss is no perplexity of the text.
  if (!evaluation.accuracy) {
    evaluation.ppl = row.optional_number("ppl");
    evaluation.bpb = row.optional_number("bpb");
  }
  evaluation.eval_flops = row.optional_number("eval_flops").value_or(0.0);
  evaluation.full_depth = evaluation.depth == static_cast<double>(full_layers);
  return evaluation;
}

Cost last_step_cost(const StepColumns& steps) {
  if (steps.size() == 0) return {};
  const double energy = steps.energy_j.back();
  return {steps.flops.back(), steps.wall_s.back(), steps.tokens.back(),
          std::isnan(energy) ? std::nullopt : std::optional(energy)};
}

Growth read_growth(const Row& row, const StepColumns& steps) {
  Growth growth;
  growth.step = row.integer("step");
  growth.from = row.integer("from");
  growth.to = row.integer("to");
  // A growth costs no tokens, so the step before it knows them.
  growth.cost = last_step_cost(steps);
  growth.cost.flops = row.number("flops");
  growth.cost.wall_s = row.number("wall_s");
  growth.loss_before = row.optional_number("loss_before");
  growth.loss_after = row.optional_number("loss_after");
  return growth;
}

TriedMap read_trial(const Row& row) {
  TriedMap trial;
  trial.step = row.integer("step");
  trial.from = row.integer("from");
  trial.to = row.integer("to");
  trial.layer_map = row.text("layer_map");
  trial.loss = row.optional_number("loss");
  trial.flops = row.number("trial_flops");
  trial.chosen = row.flag("chosen");
  return trial;
}

// Forgets what a stopped process wrote after the checkpoint that the run went on from.
void rewind(RunHistory& run, int64_t step) {
  const auto& steps = run.steps.step;
  const size_t keep = static_cast<size_t>(
      std::upper_bound(steps.begin(), steps.end(), static_cast<double>(step)) - steps.begin());
  for (const StepField& field : kStepFields)
    (run.steps.*field.column).resize(keep);
  const auto is_later = [step](const auto& row) { return row.step > step; };
  std::erase_if(run.evaluations, is_later);
  std::erase_if(run.growths, is_later);
  std::erase_if(run.trials, is_later);
  run.end.reset();
}

void read_other_row(const Row& row, const std::string& where, RunHistory& run) {
  const std::string event = row.event();
  if (event == "start") {
    run.info = read_start(row);
  } else if (event == "eval") {
    run.evaluations.push_back(read_evaluation(row, run.info.layers));
    run.eval_flops = std::max(run.eval_flops, run.evaluations.back().eval_flops);
  } else if (event == "grow") {
    run.growths.push_back(read_growth(row, run.steps));
  } else if (event == "trial") {
    run.trials.push_back(read_trial(row));
  } else if (event == "resume") {
    ++run.num_resumes;
    rewind(run, row.integer("step"));
  } else if (event == "end") {
    run.end = RunEnd{row.integer("step"), row.text("reason")};
    run.eval_flops = std::max(run.eval_flops, row.optional_number("eval_flops").value_or(0.0));
  } else if (event.empty()) {
    fail<DataError>("{}: damaged row: no 'event'", where);
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
    const Json json = parsed || parser.is_other_event
                          ? Json::parse(line, nullptr, /*allow_exceptions=*/false)
                          : Json(Json::value_t::discarded);
    if (!json.is_object()) {
      if (!has_end) break;
      fail<DataError>("{}: damaged row: expected a JSON object, found '{}'", where(),
                      line.substr(0, 40));
    }
    const std::string place = where();
    const Row row(json, place);
    if (!started && row.event() != "start") {
      fail<DataError>("{}: expected the run's 'start' row first, found '{}'", place, row.event());
    }
    started = true;
    read_other_row(row, place, run);
  }
  run.total = last_step_cost(run.steps);
}

}  // namespace apollo
