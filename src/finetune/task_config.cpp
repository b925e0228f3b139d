// Reads TASK.toml: first the names, then every field through the visitor, then the meaning of the
// values together.
#include "finetune/task_config.h"

#include <algorithm>
#include <type_traits>

#include "config/resolved_config.h"
#include "config/toml_document.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

using Faults = std::vector<Diagnostic>;

const std::vector<std::string>& task_keys() {
  static const std::vector<std::string> keys = [] {
    std::vector<std::string> all;
    const TaskConfig defaults;
    visit_task_fields([&](const Field& field, const auto&) { all.push_back(field.path()); },
                      defaults);
    return all;
  }();
  return keys;
}

bool read_column(ValueReader& reader, const toml::node& node, ColumnRef& out) {
  if (const auto number = node.value_exact<int64_t>(); number && *number >= 0) {
    out = {"", *number};
    return true;
  }
  const auto name = node.value_exact<std::string>();
  if (!name) return reader.reject(node, "a column's name, or its number from 0");
  out = {*name, std::nullopt};
  return true;
}

void read_fields(const TomlDocument& document, ResolvedTask& task, Faults& faults) {
  visit_task_fields(
      [&](const Field& field, auto& value) {
        document.read(field, value, task.origins, faults,
                      []<class T>(ValueReader& reader, const toml::node& node, T& out) {
                        if constexpr (std::is_same_v<T, ColumnRef>) {
                          return read_column(reader, node, out);
                        } else {
                          return reader.read(node, out);
                        }
                      });
      },
      task.config);
}

void check_tables(const TaskConfig& config, Faults& faults) {
  if (config.task.train.empty()) {
    faults.push_back({"task.train", "task.train is missing", "train = \"train.tsv\""});
  }
  if (config.task.dev.empty()) {
    faults.push_back({"task.dev", "task.dev is missing: it chooses epoch and learning rate",
                      "dev = \"dev.tsv\"; without one, set some training rows apart"});
  }
  const auto check_column = [&](const char* key, const ColumnRef& column, bool needed) {
    if (column.empty() && needed) {
      faults.push_back({key, fmt::format("{} must name a column", key), ""});
    }
    if (config.task.header || column.name.empty()) return;
    faults.push_back({key,
                      fmt::format("{} must be a column's number from 0, as header = false "
                                  "(got '{}')",
                                  key, column.name),
                      ""});
  };
  check_column("task.text", config.task.text, /*needed=*/true);
  check_column("task.text_pair", config.task.text_pair, /*needed=*/false);
  check_column("task.label", config.task.label, /*needed=*/true);
  check_column("task.id", config.task.id, /*needed=*/false);
}

void check_classes(const TaskConfig& config, Faults& faults) {
  const bool regression = config.task.kind == TaskKind::kRegression;
  const Metric metric = config.task.metric;
  const bool of_regression = metric >= Metric::kPearson;
  if (regression != of_regression) {
    faults.push_back({"task.metric",
                      fmt::format("task.metric must be {} for {} (got '{}')",
                                  regression ? "'pearson', 'spearman', 'rmse' or 'mae'"
                                             : "'accuracy', 'f1' or 'matthews'",
                                  enum_name(config.task.kind), enum_name(metric)),
                      ""});
  }
  const std::vector<std::string>& labels = config.task.labels;
  if (regression && !(labels.empty() && config.task.positive_label.empty())) {
    faults.push_back({labels.empty() ? "task.positive_label" : "task.labels",
                      "regression has no labels",
                      "leave the key out, or kind = "
                      "\"classification\""});
    return;
  }
  if (labels.size() == 1) {
    faults.push_back({"task.labels", "task.labels must have two or more (got 1)", ""});
  }
  std::vector<std::string> sorted = labels;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    faults.push_back({"task.labels", fmt::format("task.labels has '{}' twice", *twice), ""});
  }
  const std::string& positive = config.task.positive_label;
  if (!positive.empty() && !labels.empty() &&
      std::find(labels.begin(), labels.end(), positive) == labels.end()) {
    faults.push_back({"task.positive_label",
                      fmt::format("task.positive_label '{}' is none of task.labels", positive),
                      ""});
  }
}

template <class T, class Accept>
void check_grid(const char* key, const std::vector<T>& values, const char* expected, Accept accept,
                Faults& faults) {
  if (values.empty()) faults.push_back({key, fmt::format("{} must not be empty", key), ""});
  for (size_t i = 0; i < values.size(); ++i) {
    if (!accept(values[i])) {
      faults.push_back({key, fmt::format("{} must be {} (got {})", key, expected, values[i]), ""});
    }
    if (std::find(values.begin(), values.begin() + static_cast<int64_t>(i), values[i]) !=
        values.begin() + static_cast<int64_t>(i)) {
      faults.push_back({key, fmt::format("{} has {} twice", key, values[i]), ""});
    }
  }
}

void check_training(const TaskConfig::Train& train, Faults& faults) {
  const auto require = [&](bool good, const char* key, const char* expected, auto value) {
    if (good) return;
    faults.push_back({key, fmt::format("{} must be {} (got {})", key, expected, value), ""});
  };
  check_grid(
      "train.lr", train.lr, "above 0", [](double lr) { return lr > 0; }, faults);
  check_grid(
      "train.epochs", train.epochs, "at least 1", [](int64_t n) { return n >= 1; }, faults);
  check_grid(
      "train.seeds", train.seeds, "a seed", [](uint64_t) { return true; }, faults);
  require(train.batch_size >= 1, "train.batch_size", "at least 1", train.batch_size);
  require(train.max_length == 0 || train.max_length >= 8, "train.max_length",
          "at least 8, or 0 for the model's context", train.max_length);
  require(train.weight_decay >= 0, "train.weight_decay", "at least 0", train.weight_decay);
  require(train.clip >= 0, "train.clip", "at least 0", train.clip);
  require(train.dropout >= 0 && train.dropout < 1, "train.dropout", "in [0, 1)", train.dropout);
  require(train.depth >= 0, "train.depth", "at least 0", train.depth);
  require(train.max_train_rows >= 0, "train.max_train_rows", "at least 0", train.max_train_rows);
  const bool unit_fits = train.warmup.unit == DurationUnit::kPercent ||
                         train.warmup.unit == DurationUnit::kSteps ||
                         train.warmup.unit == DurationUnit::kEpochs;
  require(unit_fits, "train.warmup", "in %, steps or epochs", to_string(train.warmup));
  require(!(train.warmup.unit == DurationUnit::kPercent && train.warmup.value > 100),
          "train.warmup", "at most 100%", to_string(train.warmup));
}

// Returns what config/ needs to find the place of a fault in a file.
ResolvedConfig places_of(const ResolvedTask& task) {
  ResolvedConfig places;
  places.origins = task.origins;
  places.file = task.file;
  return places;
}

}  // namespace

std::string toml_text(const ColumnRef& column) {
  return column.number ? toml_text(*column.number) : toml_text(column.name);
}

std::vector<fs::path> ResolvedTask::tables(const std::vector<std::string>& names) const {
  const auto origin = origins.find("task.base_dir");
  // A path typed into a shell is relative to the shell's folder.
  const bool typed = origin != origins.end() && origin->second == "--set";
  const fs::path folder = typed ? fs::path() : file.parent_path();
  std::vector<fs::path> paths;
  for (const std::string& name : names) {
    paths.push_back((folder / config.task.base_dir / name).lexically_normal());
  }
  return paths;
}

ResolvedTask load_task(const TomlSource& source, const std::vector<std::string>& overrides) {
  Faults faults;
  ResolvedTask task;
  task.file = source.file;
  read_fields(TomlDocument(source, overrides, task_keys(), "train.lr=1e-4", faults), task, faults);
  if (!task.origins.contains("task.metric") && task.config.task.kind == TaskKind::kRegression) {
    task.config.task.metric = Metric::kPearson;
  }
  const ResolvedConfig places = places_of(task);
  // A value that could not be read has its default, which must not be checked against rules.
  if (faults.empty()) {
    Faults meaning;
    check_tables(task.config, meaning);
    check_classes(task.config, meaning);
    check_training(task.config.train, meaning);
    for (Diagnostic& fault : meaning) {
      fault.where = location(places, fault.where);
      faults.push_back(std::move(fault));
    }
  }
  throw_if_any(std::move(faults), places);
  return task;
}

std::string task_reference() {
  std::string text = "# Every key of TASK.toml with its default.\n";
  std::string section;
  const TaskConfig defaults;
  visit_task_fields(
      [&]<class T>(const Field& field, const T& value) {
        if (section != field.section) text += fmt::format("\n[{}]\n", field.section);
        section = field.section;
        std::string help = field.help;
        if constexpr (NamedEnum<T>) help += ": " + enum_choices<T>();
        text +=
            fmt::format("{:<32} # {}\n", fmt::format("{} = {}", field.key, toml_text(value)), help);
      },
      defaults);
  return text;
}

void fail_at_key(const ResolvedTask& task, const std::string& key, const std::string& message,
                 const std::string& hint) {
  throw ConfigError({{location(places_of(task), key), message, hint}});
}

}  // namespace apollo
