#include "report/run_history.h"

#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <cmath>
#include <future>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "config/parse_toml.h"
#include "report/metrics_reader.h"

namespace apollo {
namespace {

// Returns a value on one line, shorter than TOML requires: text at the top level has no quotes, and
// 0.8 does not become 0.80000000000000004 as toml++ would print it.
std::string value_text(const toml::node& node, bool quoted = false) {
  if (const auto* text = node.as_string()) {
    return quoted ? fmt::format("\"{}\"", text->get()) : text->get();
  }
  if (const auto* number = node.as_floating_point()) return fmt::format("{}", number->get());
  std::vector<std::string> parts;
  if (const toml::array* array = node.as_array()) {
    for (const toml::node& item : *array)
      parts.push_back(value_text(item, /*quoted=*/true));
    return fmt::format("[{}]", fmt::join(parts, ", "));
  }
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, item] : *table) {
      parts.push_back(fmt::format("{} = {}", key.str(), value_text(item, /*quoted=*/true)));
    }
    return fmt::format("{{{}}}", fmt::join(parts, ", "));
  }
  std::ostringstream printed;
  printed << toml::node_view<const toml::node>(node);
  return printed.str();
}

void flatten(const toml::table& table, const std::string& prefix, std::vector<ConfigEntry>& out) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const toml::table* child = node.as_table()) {
      flatten(*child, name + ".", out);
    } else {
      out.emplace_back(name, value_text(node));
    }
  }
}

std::vector<ConfigEntry> read_config(const std::filesystem::path& path) {
  std::vector<ConfigEntry> entries;
  if (!std::filesystem::exists(path)) return entries;
  try {
    flatten(parse_toml(read_file(path), path.string()), "", entries);
  } catch (const ConfigError& error) {
    const Diagnostic& fault = error.diagnostics().front();
    fail<DataError>("{}: damaged run.toml: {}", fault.where, fault.message);
  }
  return entries;
}

}  // namespace

RunHistory read_run(const std::filesystem::path& folder) {
  const std::filesystem::path metrics = folder / "metrics.jsonl";
  if (!std::filesystem::exists(folder)) {
    fail<DataError>("{}: no such run folder", folder.string());
  }
  if (!std::filesystem::exists(metrics)) {
    fail<DataError>(
        "{}: not a run folder: expected 'metrics.jsonl' in it (hint: `apollo train` writes one)",
        folder.string());
  }
  RunHistory run;
  run.folder = folder;
  read_metrics(metrics, run);
  if (run.steps.size() == 0) {
    fail<DataError>("{}: no step in it yet (hint: wait for the run's first step)",
                    metrics.string());
  }
  run.config = read_config(folder / "run.toml");
  if (run.info.name.empty()) run.info.name = folder.filename().string();
  return run;
}

std::vector<RunHistory> read_runs(const std::vector<std::filesystem::path>& folders) {
  std::vector<std::future<RunHistory>> pending;
  for (const auto& folder : folders) {
    pending.push_back(std::async(std::launch::async, read_run, folder));
  }
  std::vector<RunHistory> runs;
  for (auto& run : pending)
    runs.push_back(run.get());
  return runs;
}

std::vector<Evaluation> full_depth_evaluations(const RunHistory& run) {
  std::vector<Evaluation> chosen;
  for (const Evaluation& evaluation : run.evaluations) {
    if (evaluation.full_depth && std::isfinite(evaluation.loss)) chosen.push_back(evaluation);
  }
  return chosen;
}

}  // namespace apollo
