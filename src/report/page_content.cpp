#include "report/page_content.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "report/comparison_content.h"
#include "report/comparison_tables.h"
#include "report/curves.h"
#include "report/formats.h"

namespace apollo {
namespace {

std::string model_text(const StartRow& info) {
  const std::string name = info.architecture == "gpt2"   ? "GPT-2"
                           : info.architecture == "bert" ? "BERT"
                                                         : info.architecture;
  return fmt::format("{} with {} layers, width {} and {} parameters", name, info.layers, info.width,
                     format_count(static_cast<double>(info.parameters)));
}

std::string footer_text(const StartRow& info) {
  return fmt::format("Apollo {} · torch {} · {} · {}", info.version, info.torch, info.device,
                     info.time);
}

// Three columns for any number of runs: key, value, and who has it.
Table config_table(const Comparison& comparison) {
  Table table;
  table.title = "Configuration";
  table.explanation = "Keys of run.toml on which the runs differ.";
  table.header = {"key", "value", "runs"};
  for (const ConfigDifference& difference : comparison.config_differences) {
    // Other tables have these as columns.
    const bool is_column = difference.key == "run.seed" || difference.key == "train.duration";
    if (comparison.is_grouped && is_column) continue;
    // In the order of the runs, each name once.
    std::vector<std::pair<std::string, std::vector<std::string>>> by_value;
    for (size_t i = 0; i < difference.values.size(); ++i) {
      const ComparedRun& run = comparison.runs[i];
      const std::string value = difference.values[i].empty() ? "–" : difference.values[i];
      auto at = std::find_if(by_value.begin(), by_value.end(),
                             [&](const auto& entry) { return entry.first == value; });
      if (at == by_value.end()) at = by_value.insert(at, {value, {}});
      const std::string& name = comparison.is_grouped ? run.group : run.name;
      if (std::find(at->second.begin(), at->second.end(), name) == at->second.end())
        at->second.push_back(name);
    }
    for (const auto& [value, names] : by_value)
      table.rows.push_back({difference.key, value, fmt::format("{}", fmt::join(names, ", "))});
  }
  return table;
}

Table samples_table(const RunHistory& run) {
  Table table;
  table.title = "What the model writes";
  table.explanation = "Continued from eval.sample at each evaluation, with the same draws.";
  table.header = {"step", "text"};
  for (const TextWritten& sample : run.samples)
    table.rows.push_back({std::to_string(sample.step), sample.prompt + sample.text});
  return table;
}

}  // namespace

PageContent comparison_content(const Comparison& comparison) {
  const ComparedRun& baseline = comparison.runs[comparison.baseline];
  PageContent content;
  content.tables = comparison_tables(comparison);
  content.config = config_table(comparison);
  content.notes = comparison.notes;
  content.footer = footer_text(baseline.history.info);
  fill_comparison_content(comparison, content);
  const std::string model = model_text(baseline.history.info);
  // A forced comparison may contain different models.
  if (std::all_of(comparison.runs.begin(), comparison.runs.end(),
                  [&](const ComparedRun& run) { return model_text(run.history.info) == model; })) {
    content.lede += fmt::format(" {} end as the same model: {}.",
                                comparison.runs.size() == 2 ? "Both" : "All", model);
  }
  return content;
}

PageContent run_content(const RunHistory& run) {
  const std::vector<Evaluation> evaluations = full_depth_evaluations(run);
  const Cost& cost = evaluations.empty() ? run.total : evaluations.back().cost;
  PageContent content;
  content.kind = "Training run";
  content.title = run.info.name;
  content.lede = fmt::format(
      "{}, trained with the method '{}' {}on {} tokens.", model_text(run.info), run.info.method,
      run.info.optimizer == "muon" ? "and Muon " : "", format_count(cost.tokens));
  if (evaluations.empty()) {
    content.notes.push_back("no evaluation at full depth yet");
  } else {
    const Evaluation& final = evaluations.back();
    std::string detail = final.ppl ? fmt::format("perplexity {:.2f}", *final.ppl) : "";
    if (final.bpb)
      detail += fmt::format("{}{:.3f} bits a byte", detail.empty() ? "" : ", ", *final.bpb);
    if (final.accuracy)
      detail = fmt::format("masked accuracy {}", format_accuracy(*final.accuracy));
    content.headlines.push_back(
        {fmt::format("{:.4f}", final.loss), "validation loss at full depth", detail});
  }
  if (run.test) {
    content.headlines.push_back(
        {fmt::format("{:.4f}", run.test->loss), "test loss", "of the final model, read once"});
  }
  content.headlines.push_back({format_flops(cost.flops), "of training",
                               format_flops(run.eval_flops) + " more for evaluation"});
  content.headlines.push_back(
      {format_seconds(cost.wall_s), "wall time",
       cost.energy_j
           ? format_energy(*cost.energy_j)
           : fmt::format("{} tokens/s", format_count(run.total.tokens / run.total.wall_s))});
  for (std::string& note : run_notes(run, run.info.name))
    content.notes.push_back(std::move(note));
  const std::filesystem::path checkpoints = run.folder / "checkpoints";
  if (std::error_code none;
      std::filesystem::exists(checkpoints / "best", none) &&
      !std::filesystem::equivalent(checkpoints / "best", checkpoints / "latest", none)) {
    content.notes.push_back("The model with the lowest validation loss is in " +
                            (checkpoints / "best").string() + ".");
  }
  content.notes.push_back(
      fmt::format("The model is in {}. The same run once more: apollo train {} --out NEW.",
                  (checkpoints / "latest").string(), (run.folder / "run.toml").string()));
  content.tables = run_tables(run);
  content.samples = samples_table(run);
  content.config.title = "Configuration";
  content.config.explanation = "run.toml as it was resolved.";
  content.config.header = {"key", "value"};
  for (const auto& [key, value] : run.config)
    content.config.rows.push_back({key, value});
  content.chart_json =
      fmt::format("{{\"baseline\":null,\"target\":null,\"crossings\":[null],\"runs\":[{}]}}",
                  chart_data(run, run.info.name));
  content.footer = footer_text(run.info);
  return content;
}

}  // namespace apollo
