#include "finetune/results.h"

#include <algorithm>

#include "base/error.h"
#include "base/spread.h"
#include "base/units.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kFormat = 1;

void add_scores(const Scores& scores, Json& object) {
  for (const auto& [metric, value] : scores)
    object[std::string(enum_name(metric))] = value;
}

Json run_json(const PointResult& run) {
  Json epochs = Json::array();
  for (const EpochResult& epoch : run.epochs) {
    Json entry = {
        {"epoch", epoch.epoch}, {"train_loss", epoch.train_loss}, {"dev_loss", epoch.dev_loss}};
    add_scores(epoch.scores, entry);
    epochs.push_back(std::move(entry));
  }
  return {{"lr", run.point.lr},           {"epochs", run.point.epochs}, {"seed", run.point.seed},
          {"best_epoch", run.best_epoch}, {"best", run.best_score},     {"diverged", run.diverged},
          {"seconds", run.seconds},       {"by_epoch", epochs}};
}

PointResult parse_run(const Json& json) {
  PointResult run;
  run.point = {json.at("lr").get<double>(), json.at("epochs").get<int64_t>(),
               json.at("seed").get<uint64_t>()};
  run.best_epoch = json.at("best_epoch").get<int64_t>();
  run.best_score = json.at("best").get<double>();
  run.diverged = json.at("diverged").get<bool>();
  run.seconds = json.at("seconds").get<double>();
  for (const Json& entry : json.at("by_epoch")) {
    EpochResult epoch{entry.at("epoch").get<int64_t>(),
                      entry.at("train_loss").get<double>(),
                      entry.at("dev_loss").get<double>(),
                      {}};
    for (size_t i = 0; i < kEnumNames<Metric>.size(); ++i) {
      const auto found = entry.find(std::string(kEnumNames<Metric>[i]));
      if (found != entry.end())
        epoch.scores.emplace_back(static_cast<Metric>(i), found->get<double>());
    }
    run.epochs.push_back(std::move(epoch));
  }
  return run;
}

void set_statistics(GridSummary& summary) {
  const auto spread = spread_of(summary.scores);
  if (!spread) return;
  summary.mean = spread->mean;
  if (spread->n > 1) summary.deviation = spread->deviation;
}

Json summary_json(const GridSummary& summary) {
  return {{"lr", summary.lr},
          {"epochs", summary.epochs},
          {"mean", summary.counts() ? Json(summary.mean) : Json(nullptr)},
          {"deviation",
           summary.counts() && summary.deviation ? Json(*summary.deviation) : Json(nullptr)},
          {"scores", summary.scores},
          {"diverged", summary.diverged}};
}

void check_settings(const fs::path& path, const std::map<std::string, std::string>& found,
                    const std::map<std::string, std::string>& wanted) {
  for (const auto& [name, value] : wanted) {
    const auto entry = found.find(name);
    const std::string old = entry == found.end() ? "absent" : entry->second;
    if (old == value) continue;
    fail<UsageError>("{}: holds results of another task: '{}' was {}, is {}; hint: another --out",
                     path.string(), name, old, value);
  }
}

}  // namespace

std::vector<GridPoint> grid_points(const TaskConfig::Train& train) {
  std::vector<GridPoint> points;
  for (const double lr : train.lr) {
    for (const int64_t epochs : train.epochs) {
      for (const uint64_t seed : train.seeds)
        points.push_back({lr, epochs, seed});
    }
  }
  return points;
}

const PointResult* find_run(const FinetuneResults& results, const GridPoint& point) {
  const auto found = std::find_if(results.runs.begin(), results.runs.end(),
                                  [&](const PointResult& run) { return run.point == point; });
  return found == results.runs.end() ? nullptr : &*found;
}

std::vector<GridSummary> summarize(const FinetuneResults& results, const TaskConfig::Train& train) {
  std::vector<GridSummary> summaries;
  for (const double lr : train.lr) {
    for (const int64_t epochs : train.epochs) {
      GridSummary summary;
      summary.lr = lr;
      summary.epochs = epochs;
      summary.complete = true;
      for (const uint64_t seed : train.seeds) {
        const PointResult* run = find_run(results, {lr, epochs, seed});
        summary.complete = summary.complete && run != nullptr;
        if (run == nullptr) continue;
        summary.diverged = summary.diverged || run->diverged;
        if (run->diverged) continue;
        const auto place = static_cast<size_t>(run - results.runs.data());
        if (summary.scores.empty() || run->best_score > results.runs[summary.best_run].best_score)
          summary.best_run = place;
        summary.scores.push_back(run->best_score);
      }
      set_statistics(summary);
      summaries.push_back(std::move(summary));
    }
  }
  return summaries;
}

const GridSummary* best_summary(const std::vector<GridSummary>& summaries) {
  const GridSummary* best = nullptr;
  for (const GridSummary& summary : summaries) {
    if (summary.counts() && (best == nullptr || summary.mean > best->mean)) best = &summary;
  }
  return best;
}

Json to_json(const FinetuneResults& results, const TaskConfig::Train& train) {
  Json json = {{"format", kFormat},
               {"finished", results.finished},
               {"task", results.name},
               {"kind", enum_name(results.kind)},
               {"metric", enum_name(results.metric)},
               {"labels", results.labels},
               {"num_train", results.num_train},
               {"num_dev", results.num_dev},
               {"num_test", results.num_test},
               {"checkpoint", results.checkpoint},
               {"random_weights", results.random_weights}};
  json["chance"] = Json::object();
  add_scores(results.chance, json["chance"]);
  const std::vector<GridSummary> summaries = summarize(results, train);
  json["best"] = nullptr;
  if (const GridSummary* best = best_summary(summaries)) {
    const PointResult& run = results.runs[best->best_run];
    json["best"] = summary_json(*best);
    json["best"]["seed"] = run.point.seed;
    json["best"]["epoch"] = run.best_epoch;
  }
  json["grid"] = Json::array();
  for (const GridSummary& summary : summaries)
    json["grid"].push_back(summary_json(summary));
  json["runs"] = Json::array();
  for (const PointResult& run : results.runs)
    json["runs"].push_back(run_json(run));
  json["settings"] = results.settings;
  json["test_tables"] = results.test_tables;
  return json;
}

void resume_results(const fs::path& path, FinetuneResults& results) {
  if (!fs::exists(path)) return;
  const Json json = read_json(path);
  try {
    if (json.at("format").get<int64_t>() != kFormat) {
      fail<DataError>("{}: format {} is not known; expected {}", path.string(),
                      json.at("format").get<int64_t>(), kFormat);
    }
    check_settings(path, json.at("settings").get<std::map<std::string, std::string>>(),
                   results.settings);
    for (const Json& run : json.at("runs"))
      results.runs.push_back(parse_run(run));
    results.finished = json.at("finished").get<bool>() &&
                       json.at("test_tables").get<std::string>() == results.test_tables;
  } catch (const Json::exception& error) {
    fail<DataError>("{}: expected results of `apollo finetune`: {}", path.string(), error.what());
  }
}

std::string results_table(const FinetuneResults& results, const TaskConfig::Train& train) {
  const auto number = [](double value) { return fmt::format("{:.4f}", value); };
  std::string text = fmt::format("{}: {} on {} dev rows, trained on {}; chance {}\n", results.name,
                                 enum_name(results.metric), results.num_dev, results.num_train,
                                 number(score_of(results.chance, results.metric)));
  text +=
      fmt::format("{:<10}{:>6}  {:>8}{:>10}  {}\n", "lr", "epochs", "mean", "deviation", "by seed");
  const std::vector<GridSummary> summaries = summarize(results, train);
  const GridSummary* best = best_summary(summaries);
  for (const GridSummary& summary : summaries) {
    std::string by_seed;
    for (const uint64_t seed : train.seeds) {
      const PointResult* run = find_run(results, {summary.lr, summary.epochs, seed});
      const std::string shown = run == nullptr  ? "-"
                                : run->diverged ? "diverged"
                                                : number(run->best_score);
      by_seed += (by_seed.empty() ? "" : " ") + shown;
    }
    text += fmt::format("{:<10g}{:>6}  {:>8}{:>10}  {}{}\n", summary.lr, summary.epochs,
                        summary.counts() ? number(summary.mean) : "-",
                        summary.counts() && summary.deviation ? number(*summary.deviation) : "-",
                        by_seed, &summary == best ? "  <- best" : "");
  }
  if (best == nullptr) return text;
  const PointResult& run = results.runs[best->best_run];
  text += fmt::format("best model: seed {}, epoch {}:", run.point.seed, run.best_epoch);
  for (const auto& [metric, value] : run.epochs[static_cast<size_t>(run.best_epoch - 1)].scores)
    text += fmt::format(" {} {}", enum_name(metric), number(value));
  return text + "\n";
}

}  // namespace apollo
