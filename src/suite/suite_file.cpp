#include "suite/suite_file.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <type_traits>

#include "base/error.h"
#include "base/file.h"
#include "base/spelling.h"
#include "config/fields.h"
#include "config/parse_toml.h"
#include "config/resolved_config.h"
#include "config/toml_reader.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kRootKeys = {"suite", "model", "source", "run"};
const std::vector<std::string> kSuiteKeys = {
    "name", "base", "seeds",       "budgets",          "baseline", "jobs",
    "set",  "tune", "tune_budget", "tune_each_budget", "tune_seed"};
const std::vector<std::string> kModelKeys = {"name", "base", "set", "budgets", "tune_budget"};
const std::vector<std::string> kSourceKeys = {"name", "set", "budget"};
const std::vector<std::string> kRunKeys = {"name",    "set",    "tune", "seeds",
                                           "budgets", "source", "role"};

bool is_folder_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos;
}

class SuiteReader {
 public:
  explicit SuiteReader(const fs::path& path) : path_(path), file_(path.string()) {}

  SuiteFile read();

 private:
  void fault(const toml::source_region& at, const std::string& message,
             const std::string& hint = "") {
    faults_.push_back({position(file_, at), message, hint});
  }

  void check_keys(const toml::table& table, const std::vector<std::string>& known,
                  const std::string& section);
  // Reads the value of `section`.`key` if it exists and is valid.
  template <class T>
  void read_value(const toml::table& table, const std::string& section, const char* key, T& out);
  template <class T>
  void read_value(const toml::table& table, const std::string& section, const char* key,
                  std::optional<T>& out);
  std::vector<const toml::table*> tables(const toml::table& root, const char* key);

  void read_settings(const toml::table& table, const std::string& prefix,
                     std::vector<Setting>& out);
  void read_tune(const toml::table& table, const std::string& prefix, std::vector<TuneKey>& out);
  void read_set_of(const toml::table& table, const std::string& section, std::vector<Setting>& out);
  bool is_settable(const std::string& path, const toml::key& key);
  bool check_value(const std::string& path, const toml::node& node, Setting& out);
  void check_name(const toml::table& table, const std::string& kind, const std::string& name);
  void check_budgets(const toml::table& table, const char* key,
                     const std::vector<Duration>& budgets);

  void read_suite(const toml::table& table);
  void read_model(const toml::table& table);
  void read_source(const toml::table& table);
  void read_run(const toml::table& table);
  template <class Named>
  std::vector<std::string> check_unique(const char* kind, const std::vector<Named>& sections);
  void check_whole(const toml::table& root);
  fs::path base_path(const std::string& base) const { return path_.parent_path() / base; }

  fs::path path_;
  std::string file_;
  std::vector<Diagnostic> faults_;
  SuiteFile suite_;
  std::string base_;
};

void SuiteReader::check_keys(const toml::table& table, const std::vector<std::string>& known,
                             const std::string& section) {
  for (const auto& [key, value] : table) {
    const std::string name(key.str());
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    std::string hint = did_you_mean(name, known);
    const auto& paths = field_paths();
    if (hint.empty() && std::find(paths.begin(), paths.end(), section + "." + name) != paths.end())
      hint = "keys of RUN.toml stand in a table 'set'";
    fault(key.source(),
          section.empty() ? fmt::format("unknown section or key '{}'", name)
                          : fmt::format("unknown key '{}' in {}", name, section),
          hint);
  }
}

template <class T>
void SuiteReader::read_value(const toml::table& table, const std::string& section, const char* key,
                             T& out) {
  const toml::node* node = table.get(key);
  if (node == nullptr) return;
  std::map<std::string, std::string> origins;
  ValueReader reader{file_, section + "." + key, faults_, origins};
  reader.read(*node, out);
}

template <class T>
void SuiteReader::read_value(const toml::table& table, const std::string& section, const char* key,
                             std::optional<T>& out) {
  const size_t num_faults = faults_.size();
  T value{};
  read_value(table, section, key, value);
  if (table.contains(key) && faults_.size() == num_faults) out = value;
}

std::vector<const toml::table*> SuiteReader::tables(const toml::table& root, const char* key) {
  std::vector<const toml::table*> found;
  const toml::node* node = root.get(key);
  if (node == nullptr) return found;
  const toml::array* array = node->as_array();
  const bool good = array != nullptr && std::all_of(array->begin(), array->end(),
                                                    [](const auto& n) { return n.is_table(); });
  if (!good) {
    fault(node->source(), fmt::format("'{}' must be a list of sections", key),
          fmt::format("write [[{}]] on a line of its own for each", key));
    return found;
  }
  for (const toml::node& item : *array)
    found.push_back(item.as_table());
  return found;
}

bool SuiteReader::is_settable(const std::string& path, const toml::key& key) {
  const auto& paths = field_paths();
  if (std::find(paths.begin(), paths.end(), path) == paths.end()) {
    fault(key.source(), fmt::format("unknown key '{}' of RUN.toml", path),
          did_you_mean(path, paths, "`apollo train --help-config` lists them"));
    return false;
  }
  if (path == "run.name" || path == "run.seed") {
    fault(key.source(), fmt::format("'{}' is set by the suite", path),
          path == "run.name" ? "the name of a run is its key 'name'" : "use the key 'seeds'");
    return false;
  }
  return true;
}

// Reads the node as the type of the key to find its faults, and keeps its text.
bool SuiteReader::check_value(const std::string& path, const toml::node& node, Setting& out) {
  RunConfig scratch;
  std::map<std::string, std::string> origins;
  bool good = false;
  visit_fields(
      [&](const Field& field, auto& value) {
        if (field.path() != path) return;
        ValueReader reader{file_, path, faults_, origins};
        good = reader.read(node, value);
        if (good) out = {path, toml_text(value), position(file_, node.source())};
      },
      scratch);
  return good;
}

// Keys may be written "train.lr" in quotes, or without quotes as TOML's dotted keys, which nest.
void SuiteReader::read_settings(const toml::table& table, const std::string& prefix,
                                std::vector<Setting>& out) {
  for (const auto& [key, node] : table) {
    const std::string path = prefix + std::string(key.str());
    if (const toml::table* nested = node.as_table()) {
      read_settings(*nested, path + ".", out);
      continue;
    }
    Setting setting;
    if (is_settable(path, key) && check_value(path, node, setting)) out.push_back(setting);
  }
}

void SuiteReader::read_tune(const toml::table& table, const std::string& prefix,
                            std::vector<TuneKey>& out) {
  for (const auto& [key, node] : table) {
    const std::string path = prefix + std::string(key.str());
    if (const toml::table* nested = node.as_table()) {
      read_tune(*nested, path + ".", out);
      continue;
    }
    if (!is_settable(path, key)) continue;
    const toml::array* values = node.as_array();
    if (values == nullptr || values->empty()) {
      fault(node.source(), fmt::format("'{}' must be a list of the values to try", path),
            "for example [1e-3, 2e-3, 4e-3]");
      continue;
    }
    TuneKey tune{path, {}};
    for (const toml::node& value : *values) {
      Setting setting;
      if (check_value(path, value, setting)) tune.values.push_back(std::move(setting));
    }
    out.push_back(std::move(tune));
  }
}

void SuiteReader::read_set_of(const toml::table& table, const std::string& section,
                              std::vector<Setting>& out) {
  const toml::node* node = table.get("set");
  if (node == nullptr) return;
  if (const toml::table* settings = node->as_table()) return read_settings(*settings, "", out);
  fault(node->source(), section + ".set must be a table",
        "for example set = {\"train.lr\" = 1e-3}");
}

void SuiteReader::check_name(const toml::table& table, const std::string& kind,
                             const std::string& name) {
  if (!table.contains("name")) {
    fault(table.source(), fmt::format("a {} lacks its name", kind));
  } else if (!is_folder_name(name) || name == "tune" || name == "source") {
    fault(table.get("name")->source(),
          fmt::format("the name of a {} must be that of a folder other than 'tune' and 'source' "
                      "(got '{}')",
                      kind, name));
  }
}

void SuiteReader::check_budgets(const toml::table& table, const char* key,
                                const std::vector<Duration>& budgets) {
  if (!table.contains(key)) return;
  const auto& at = table.get(key)->source();
  if (budgets.empty()) fault(at, "budgets names no length", "remove it: train.duration then holds");
  for (const Duration& budget : budgets) {
    if (budget.value > 0 && !is_share(budget)) continue;
    fault(at,
          fmt::format("a budget is a positive length of training (got '{}')", to_string(budget)),
          "for example \"1e13 flops\"");
  }
}

void SuiteReader::read_suite(const toml::table& table) {
  check_keys(table, kSuiteKeys, "[suite]");
  read_value(table, "suite", "name", suite_.name);
  if (!is_folder_name(suite_.name)) {
    const toml::node* name = table.get("name");
    fault(name != nullptr ? name->source() : table.source(),
          fmt::format("suite.name must be the name of a folder (got '{}')", suite_.name),
          "--out places the suite elsewhere");
  }
  read_value(table, "suite", "base", base_);
  read_value(table, "suite", "seeds", suite_.seeds);
  read_value(table, "suite", "budgets", suite_.budgets);
  read_value(table, "suite", "baseline", suite_.baseline);
  read_value(table, "suite", "jobs", suite_.jobs);
  read_value(table, "suite", "tune_seed", suite_.tune_seed);
  read_value(table, "suite", "tune_budget", suite_.tune_budget);
  read_value(table, "suite", "tune_each_budget", suite_.tune_each_budget);
  if (suite_.tune_each_budget && suite_.tune_budget) {
    fault(table.get("tune_budget")->source(), "tune_budget and tune_each_budget do not go together",
          "leave out tune_budget: every budget is tuned at itself");
  }
  check_budgets(table, "budgets", suite_.budgets);
  read_set_of(table, "suite", suite_.settings);
  if (const toml::node* tune = table.get("tune")) {
    if (tune->is_table()) {
      read_tune(*tune->as_table(), "", suite_.tune);
    } else {
      fault(tune->source(), "suite.tune must be a table");
    }
  }
  if (suite_.jobs < 1) {
    fault(table.get("jobs")->source(),
          fmt::format("jobs must be at least 1 (got {})", suite_.jobs));
  }
}

void SuiteReader::read_model(const toml::table& table) {
  check_keys(table, kModelKeys, "[[model]]");
  SuiteModel model;
  model.where = position(file_, table.source());
  std::string base = base_;
  read_value(table, "model", "name", model.name);
  read_value(table, "model", "base", base);
  read_value(table, "model", "budgets", model.budgets);
  read_value(table, "model", "tune_budget", model.tune_budget);
  if (suite_.tune_each_budget && model.tune_budget) {
    fault(table.get("tune_budget")->source(),
          "tune_budget and the suite's tune_each_budget do not go together");
  }
  check_budgets(table, "budgets", model.budgets);
  check_name(table, "model", model.name);
  read_set_of(table, "model", model.settings);
  if (base.empty()) {
    fault(table.source(), fmt::format("model '{}' has no base", model.name),
          "name a RUN.toml: base = \"../run.toml\", here or in [suite]");
  }
  model.base = base_path(base);
  suite_.models.push_back(std::move(model));
}

void SuiteReader::read_source(const toml::table& table) {
  check_keys(table, kSourceKeys, "[[source]]");
  SuiteSource source;
  source.where = position(file_, table.source());
  read_value(table, "source", "name", source.name);
  read_value(table, "source", "budget", source.budget);
  if (source.budget) check_budgets(table, "budget", {*source.budget});
  check_name(table, "source", source.name);
  read_set_of(table, "source", source.settings);
  suite_.sources.push_back(std::move(source));
}

void SuiteReader::read_run(const toml::table& table) {
  check_keys(table, kRunKeys, "[[run]]");
  SuiteRun run;
  run.where = position(file_, table.source());
  read_value(table, "run", "name", run.name);
  read_value(table, "run", "seeds", run.seeds);
  read_value(table, "run", "budgets", run.budgets);
  read_value(table, "run", "source", run.source);
  std::string role;
  read_value(table, "run", "role", role);
  run.is_frontier = role == "frontier";
  if (!role.empty() && !run.is_frontier) {
    fault(table.get("role")->source(), fmt::format("unknown role '{}' of a run", role),
          "role = \"frontier\": a depth from scratch that the other runs must beat");
  }
  check_budgets(table, "budgets", run.budgets);
  check_name(table, "run", run.name);
  read_set_of(table, "run", run.settings);
  if (const toml::node* tune = table.get("tune")) {
    run.tune.emplace();
    if (tune->is_table()) {
      read_tune(*tune->as_table(), "", *run.tune);
    } else {
      fault(tune->source(), "run.tune must be a table",
            "for example tune = {\"train.lr\" = [1e-3, 2e-3]}");
    }
  }
  suite_.runs.push_back(std::move(run));
}

// Also returns the names.
template <class Named>
std::vector<std::string> SuiteReader::check_unique(const char* kind,
                                                   const std::vector<Named>& sections) {
  std::vector<std::string> names;
  for (const Named& section : sections) {
    if (std::find(names.begin(), names.end(), section.name) != names.end()) {
      faults_.push_back(
          {section.where, fmt::format("there are two {}s '{}'", kind, section.name), ""});
    }
    names.push_back(section.name);
  }
  return names;
}

// Checks what only the whole file shows: names that collide, a baseline or a source that does not
// exist.
void SuiteReader::check_whole(const toml::table& root) {
  const std::vector<std::string> names = check_unique("run", suite_.runs);
  check_unique("model", suite_.models);
  const std::vector<std::string> sources = check_unique("source", suite_.sources);
  for (const SuiteRun& run : suite_.runs) {
    if (run.source.empty() || std::count(sources.begin(), sources.end(), run.source) > 0) continue;
    faults_.push_back({run.where,
                       fmt::format("run '{}': there is no source '{}'", run.name, run.source),
                       did_you_mean(run.source, sources)});
  }
  if (names.empty()) {
    faults_.push_back({file_, "a suite has at least one [[run]]", ""});
    return;
  }
  if (suite_.baseline.empty()) suite_.baseline = names.front();
  if (std::find(names.begin(), names.end(), suite_.baseline) == names.end()) {
    fault(root["suite"]["baseline"].node()->source(),
          fmt::format("baseline '{}' is none of the runs", suite_.baseline),
          did_you_mean(suite_.baseline, names));
  }
}

SuiteFile SuiteReader::read() {
  require_toml_file(path_);
  const toml::table root = parse_toml(read_file(path_), file_);
  suite_.path = path_;
  suite_.name = path_.stem().string();
  check_keys(root, kRootKeys, "");
  if (const toml::node* suite = root.get("suite")) {
    if (suite->is_table()) {
      read_suite(*suite->as_table());
    } else {
      fault(suite->source(), "'suite' must be a section", "write [suite] on a line of its own");
    }
  }
  for (const toml::table* model : tables(root, "model"))
    read_model(*model);
  if (suite_.models.empty()) {
    if (base_.empty()) {
      faults_.push_back(
          {file_, "the suite has no base", "name a RUN.toml in [suite]: base = \"../run.toml\""});
    }
    suite_.models.push_back({"", file_, base_path(base_), {}, {}, std::nullopt});
  }
  for (const toml::table* source : tables(root, "source"))
    read_source(*source);
  for (const toml::table* run : tables(root, "run"))
    read_run(*run);
  check_whole(root);
  ResolvedConfig place;
  place.file = path_;
  throw_if_any(std::move(faults_), place);
  return std::move(suite_);
}

}  // namespace

SuiteFile read_suite_file(const fs::path& path) {
  return SuiteReader(path).read();
}

}  // namespace apollo
