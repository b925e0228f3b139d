#include "report/page_content.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/units.h"
#include "report/comparison_tables.h"
#include "report/curves.h"
#include "report/formats.h"
#include "report/group_page.h"

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

// The run that the headline is about: the one that saved most, else the one that came nearest.
const ComparedRun& best_run(const Comparison& comparison) {
  const ComparedRun* best = nullptr;
  const auto merit = [](const ComparedRun& run) {
    // Any run that reached the baseline's loss ranks above any that did not; what the others are to
    // be held against ranks last.
    constexpr double kReached = 1e6;
    const double rank = run.is_frontier ? -2 * kReached : 0.0;
    return rank + (run.equal_loss.flops_saved_for_good
                       ? kReached + *run.equal_loss.flops_saved_for_good
                       : -run.final.loss);
  };
  for (const ComparedRun& run : comparison.runs) {
    if (!run.is_baseline && (best == nullptr || merit(run) > merit(*best))) best = &run;
  }
  return *best;
}

Headline saved_headline(std::optional<double> saved, const std::string& of,
                        const std::string& detail) {
  if (!saved) return {"not reached", fmt::format("no {} saved", of), detail};
  const bool less = *saved >= 0.0;
  return {fmt::format("{:.1f} %", 100.0 * std::abs(*saved)),
          less ? fmt::format("of the {} saved for good at equal loss", of)
               : fmt::format("more {} needed for equal loss", of),
          detail};
}

std::vector<Headline> comparison_headlines(const ComparedRun& run, const ComparedRun& baseline) {
  const EqualLoss& loss = run.equal_loss;
  const EqualFlops& flops = run.equal_flops;
  const Cost& whole = baseline.final.cost;
  std::vector<Headline> headlines;
  if (!loss.flops_saved_for_good) {
    headlines.push_back(
        {"not reached",
         fmt::format("{}the final loss of {}", loss.ended_above ? "for good: " : "", baseline.name),
         fmt::format("{:.4f} against {:.4f}", run.final.loss, loss.loss)});
  } else if (loss.is_range) {
    headlines.push_back({format_saved_for_good(loss), "of the FLOPs saved for good at equal loss",
                         "evaluations lie too far apart for one number"});
  } else {
    const auto used = [](double whole, std::optional<double> saved) {
      return whole * (1.0 - saved.value_or(0.0));
    };
    headlines.push_back(saved_headline(
        loss.flops_saved_for_good, "FLOPs",
        fmt::format("{} instead of {}: {}",
                    format_flops(used(whole.flops, loss.flops_saved_for_good)),
                    format_flops(whole.flops), format_speed_up(loss.flops_saved_for_good))));
    headlines.push_back(saved_headline(
        loss.wall_saved_for_good, "wall time",
        fmt::format("{} instead of {}: {}",
                    format_seconds(used(whole.wall_s, loss.wall_saved_for_good)),
                    format_seconds(whole.wall_s), format_speed_up(loss.wall_saved_for_good))));
  }
  if (flops.loss && flops.baseline_loss) {
    const double difference = *flops.loss - *flops.baseline_loss;
    headlines.push_back({fmt::format("{}{:.3f}", difference < 0 ? "−" : "+", std::abs(difference)),
                         "nats of loss at equal FLOPs",
                         fmt::format("{:.4f} against {:.4f} at {}", *flops.loss,
                                     *flops.baseline_loss, format_flops(flops.flops))});
  }
  return headlines;
}

std::string comparison_lede(const ComparedRun& run, const ComparedRun& baseline) {
  const EqualLoss& loss = run.equal_loss;
  const std::string target =
      fmt::format("the final validation loss of {} ({:.4f})", baseline.name, loss.loss);
  if (!loss.flops_saved_for_good) {
    return fmt::format("{} did not reach {}{}.", run.name, target,
                       loss.ended_above ? " for good" : "");
  }
  const double saved = *loss.flops_saved_for_good;
  if (saved < 0.0) {
    return fmt::format("{} reached {}, with more FLOPs than it took there.", run.name, target);
  }
  return fmt::format("{} reached {} for good with {:.1f} % of its FLOPs.", run.name, target,
                     100.0 * (1.0 - saved));
}

Table config_table(const Comparison& comparison) {
  Table table;
  table.title = "Configuration";
  table.explanation = "Keys of run.toml on which the runs differ.";
  table.header = {"key"};
  for (const ComparedRun& run : comparison.runs)
    table.header.push_back(run.name);
  for (const ConfigDifference& difference : comparison.config_differences) {
    // These are columns of the other tables.
    if (comparison.is_grouped &&
        (difference.key == "run.seed" || difference.key == "train.duration"))
      continue;
    std::vector<std::string> row = {difference.key};
    for (const std::string& value : difference.values)
      row.push_back(value.empty() ? "–" : value);
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string number_or_null(std::optional<double> value) {
  return value ? fmt::format("{:.7g}", *value) : "null";
}

std::string comparison_chart_json(const Comparison& comparison) {
  const ComparedRun& baseline = comparison.runs[comparison.baseline];
  std::string out = fmt::format("{{\"baseline\":{},\"target\":{},\"crossings\":[",
                                comparison.baseline, number_or_null(baseline.final.loss));
  for (const ComparedRun& run : comparison.runs) {
    if (out.back() != '[') out += ',';
    const auto& cost = run.equal_loss.cost;
    out += cost && !run.is_baseline
               ? fmt::format("{{\"flops\":{:.7g},\"wall_s\":{:.7g},\"tokens\":{:.7g}}}",
                             cost->flops, cost->wall_s, cost->tokens)
               : "null";
  }
  out += "],\"runs\":[";
  for (const ComparedRun& run : comparison.runs) {
    if (out.back() != '[') out += ',';
    out += chart_data(run.history, run.name);
  }
  return out + "]}";
}

// The content where no run repeats another.
void fill_run_content(const Comparison& comparison, PageContent& content) {
  const ComparedRun& baseline = comparison.runs[comparison.baseline];
  const ComparedRun& best = best_run(comparison);
  content.kind = "Comparison";
  content.title = fmt::format("{} against {}", best.name, baseline.name);
  if (const size_t others = comparison.runs.size() - 2; others > 0) {
    content.title += fmt::format(", and {} more", others);
  }
  content.lede = comparison_lede(best, baseline);
  content.headlines = comparison_headlines(best, baseline);
  content.chart_json = comparison_chart_json(comparison);
}

}  // namespace

PageContent comparison_content(const Comparison& comparison) {
  const ComparedRun& baseline = comparison.runs[comparison.baseline];
  PageContent content;
  content.tables = comparison_tables(comparison);
  content.config = config_table(comparison);
  content.notes = comparison.notes;
  content.footer = footer_text(baseline.history.info);
  if (comparison.is_grouped) {
    fill_group_content(comparison, content);
  } else {
    fill_run_content(comparison, content);
  }
  const std::string model = model_text(baseline.history.info);
  // A forced comparison may be one of different models.
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
  content.headlines.push_back({format_flops(cost.flops), "of training",
                               format_flops(run.eval_flops) + " more for evaluation"});
  content.headlines.push_back(
      {format_seconds(cost.wall_s), "wall time",
       cost.energy_j
           ? format_energy(*cost.energy_j)
           : fmt::format("{} tokens/s", format_count(run.total.tokens / run.total.wall_s))});
  for (std::string& note : run_notes(run, run.info.name))
    content.notes.push_back(std::move(note));
  content.tables = run_tables(run);
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
