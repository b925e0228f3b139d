#include "runlog/saved_state.h"

#include <cmath>

#include "base/error.h"
#include "base/hash.h"

namespace apollo {
namespace {

constexpr int64_t kFormatVersion = 2;

// Far above what any run reaches, and small enough to be exact in a double and an int64.
constexpr int64_t kMostCounts = int64_t{1} << 53;

Json best_json(const BestEvaluation& best) {
  return {
      {"loss", best.loss ? Json(*best.loss) : Json()}, {"step", best.step}, {"since", best.since}};
}

Json position_json(const RunPosition& position) {
  return {{"step", position.step}, {"flops", position.flops}, {"hours", position.hours}};
}

// Reads the values of one object and names those that are impossible.
class StateReader {
 public:
  StateReader(const Json& json, std::string prefix) : json_(json), prefix_(std::move(prefix)) {}

  StateReader object(const char* key) const {
    const Json& found = at(key);
    if (!found.is_object()) reject(key, "an object", found);
    return {found, prefix_ + key + "."};
  }
  int64_t count(const char* key, int64_t least = 0) const {
    const Json& found = at(key);
    const bool good = found.is_number_integer() && found <= kMostCounts && found >= least;
    if (!good) reject(key, fmt::format("a whole number of at least {}", least), found);
    return found.get<int64_t>();
  }
  double amount(const char* key) const {
    const Json& found = at(key);
    const bool good =
        found.is_number() && std::isfinite(found.get<double>()) && found.get<double>() >= 0.0;
    if (!good) reject(key, "a finite number of at least 0", found);
    return found.get<double>();
  }
  std::string text(const char* key) const {
    const Json& found = at(key);
    if (!found.is_string()) reject(key, "a text", found);
    return found.get<std::string>();
  }
  RunPosition position(const char* key) const {
    const StateReader inner = object(key);
    return {inner.count("step"), inner.amount("flops"), inner.amount("hours")};
  }
  // Absent in states of before it was kept.
  BestEvaluation best(const char* key) const {
    if (!json_.contains(key)) return {};
    const StateReader inner = object(key);
    const bool is_known = !inner.at("loss").is_null();
    return {.loss = is_known ? std::optional(inner.amount("loss")) : std::nullopt,
            .step = inner.count("step", is_known ? 0 : -1),
            .since = inner.count("since")};
  }
  std::map<std::string, std::string> texts(const char* key) const {
    const StateReader inner = object(key);
    std::map<std::string, std::string> all;
    for (const auto& [name, value] : inner.json_.items())
      all[name] = inner.text(name.c_str());
    return all;
  }
  [[noreturn]] void reject(const char* key, const std::string& expected, const Json& found) const {
    fail<CheckpointError>("apollo/state.json: '{}{}': expected {}, found {}", prefix_, key,
                          expected, found.dump().substr(0, 60));
  }

 private:
  const Json& at(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end()) {
      fail<CheckpointError>("apollo/state.json: '{}{}' is missing", prefix_, key);
    }
    return *found;
  }

  const Json& json_;
  std::string prefix_;
};

std::string hash_of(Json state) {
  state.erase("hash");
  return hash_text(state.dump());
}

void check_version(const Json& json) {
  const auto version = json.find("format_version");
  if (version != json.end() && *version == kFormatVersion) return;
  const std::string found = version == json.end() ? "none" : version->dump().substr(0, 60);
  fail<CheckpointError>(
      "apollo/state.json: expected format version {}, found {}; hint: Apollo {} can go on with it; "
      "`apollo export` and `model.from` take the model as it is",
      kFormatVersion, found, found == "1" ? "0.1.0" : "of another version");
}

// Checks the relations between values.
void check_order(const SavedState& state, const StateReader& reader, const Json& json) {
  const auto within = [&](const RunPosition& earlier, const char* key) {
    if (earlier.step <= state.position.step && earlier.flops <= state.position.flops) return;
    reader.reject("stage", fmt::format("'{}' not behind the run's position", key), json["stage"]);
  };
  within(state.stage.start, "start");
  within(state.stage.grown, "grown");
  if (state.last_evaluated_step > state.position.step) {
    reader.reject("last_evaluated_step", "a step that was reached", json["last_evaluated_step"]);
  }
  if (state.best.step > state.position.step) {
    reader.reject("best", "a step that was reached", json["best"]);
  }
}

}  // namespace

Json to_json(const SavedState& state) {
  Json json = {{"format_version", kFormatVersion},
               {"position", position_json(state.position)},
               {"before", {{"flops", state.flops_before}, {"seconds", state.seconds_before}}},
               {"tokens", state.tokens},
               {"stage",
                {{"index", state.stage.index},
                 {"start", position_json(state.stage.start)},
                 {"grown", position_json(state.stage.grown)},
                 {"grown_from", state.stage.grown_from}}},
               {"eval_flops", state.eval_flops},
               {"eval_seconds", state.eval_seconds},
               {"energy_joules", state.energy_joules},
               {"evaluations_due", state.evaluations_due},
               {"checkpoints_due", state.checkpoints_due},
               {"last_evaluated_step", state.last_evaluated_step},
               {"best", best_json(state.best)},
               {"metrics_bytes", state.metrics_bytes},
               {"optimizer", state.optimizer},
               {"matmul", state.matmul},
               {"config_hash", state.config_hash},
               {"train_data", state.train_data},
               {"valid_data", state.valid_data},
               {"tokenizer", state.tokenizer},
               {"files", state.files}};
  json["hash"] = hash_of(json);
  return json;
}

SavedState read_saved_state(const std::filesystem::path& path) {
  const Json json = read_json(path);
  if (!json.is_object()) fail<CheckpointError>("apollo/state.json: expected an object");
  check_version(json);
  const StateReader reader(json, "");
  if (reader.text("hash") != hash_of(json)) {
    fail<CheckpointError>("apollo/state.json: its content is not what was saved");
  }
  SavedState state;
  state.position = reader.position("position");
  state.flops_before = reader.object("before").amount("flops");
  state.seconds_before = reader.object("before").amount("seconds");
  state.tokens = reader.count("tokens");
  const StateReader stage = reader.object("stage");
  state.stage = {.index = stage.count("index"),
                 .start = stage.position("start"),
                 .grown = stage.position("grown"),
                 .grown_from = stage.count("grown_from")};
  state.eval_flops = reader.amount("eval_flops");
  state.eval_seconds = reader.amount("eval_seconds");
  state.energy_joules = reader.amount("energy_joules");
  state.evaluations_due = reader.count("evaluations_due", -1);
  state.checkpoints_due = reader.count("checkpoints_due");
  state.last_evaluated_step = reader.count("last_evaluated_step", -1);
  state.best = reader.best("best");
  state.metrics_bytes = reader.count("metrics_bytes");
  state.optimizer = reader.text("optimizer");
  state.matmul = reader.text("matmul");
  state.config_hash = reader.text("config_hash");
  state.train_data = reader.text("train_data");
  state.valid_data = reader.text("valid_data");
  state.tokenizer = reader.text("tokenizer");
  state.files = reader.texts("files");
  check_order(state, reader, json);
  return state;
}

}  // namespace apollo
