#include "finetune/results.h"

#include <algorithm>

#include "base/error.h"
#include "base/spread.h"
#include "base/units.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kFormat = 2;

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

GridPoint parse_point(const Json& json) {
  return {json.at("lr").get<double>(), json.at("epochs").get<int64_t>(),
          json.at("seed").get<uint64_t>()};
}

// Checks that a run in a file is one that training can give.
void check_run(const PointResult& run, Metric metric) {
  const auto require = [](bool good, const char* what) {
    if (!good) throw DataError(what);
  };
  const auto num_epochs = static_cast<int64_t>(run.epochs.size());
  require(std::isfinite(run.point.lr) && run.point.lr > 0.0, "'lr' is not above 0");
  require(run.point.epochs >= 1, "'epochs' is not positive");
  require(run.seconds >= 0.0, "'seconds' is negative");
  require(run.diverged ? num_epochs < run.point.epochs : num_epochs == run.point.epochs,
          "'by_epoch' has another number of epochs than the run");
  for (int64_t i = 0; i < num_epochs; ++i) {
    const EpochResult& epoch = run.epochs[static_cast<size_t>(i)];
    require(epoch.epoch == i + 1, "the epochs of 'by_epoch' are not 1, 2, ...");
    require(std::any_of(epoch.scores.begin(), epoch.scores.end(),
                        [&](const auto& score) { return score.first == metric; }),
            "an epoch lacks the metric");
  }
  if (num_epochs == 0) return require(run.best_epoch == 0, "'best_epoch' is not in 'by_epoch'");
  require(run.best_epoch >= 1 && run.best_epoch <= num_epochs, "'best_epoch' is not in 'by_epoch'");
  const Scores& best = run.epochs[static_cast<size_t>(run.best_epoch - 1)].scores;
  require(score_of(best, metric) == run.best_score, "'best' is not the score of 'best_epoch'");
}

PointResult parse_run(const Json& json, Metric metric) {
  PointResult run;
  run.point = parse_point(json);
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
  check_run(run, metric);
  return run;
}

Json written_json(const std::optional<WrittenModel>& written) {
  if (!written) return nullptr;
  return {{"lr", written->point.lr},
          {"epochs", written->point.epochs},
          {"seed", written->point.seed},
          {"test_tables", written->test_tables}};
}

void parse_runs(const Json& json, FinetuneResults& results) {
  for (const Json& entry : json) {
    const PointResult run = parse_run(entry, results.metric);
    if (find_run(results, run.point) != nullptr) throw DataError("a run stands there twice");
    results.runs.push_back(run);
  }
}

void parse_written(const Json& json, FinetuneResults& results) {
  const Json& model = json.at("model");
  if (model.is_null()) return;
  results.written = {parse_point(model), model.at("test_tables").get<std::string>()};
  if (find_run(results, results.written->point) == nullptr)
    throw DataError("'model' is none of the runs");
  results.confusion = json.at("confusion").get<std::vector<std::vector<int64_t>>>();
  const bool square = std::all_of(
      results.confusion.begin(), results.confusion.end(),
      [&](const std::vector<int64_t>& row) { return row.size() == results.labels.size(); });
  if (!square || results.confusion.size() != results.labels.size())
    throw DataError("'confusion' has another number of classes");
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
  const auto summary_of = [&](double lr, int64_t epochs) -> GridSummary& {
    for (GridSummary& summary : summaries) {
      if (summary.lr == lr && summary.epochs == epochs) return summary;
    }
    GridSummary& added = summaries.emplace_back();
    added.lr = lr;
    added.epochs = epochs;
    added.complete = true;
    return added;
  };
  std::vector<bool> listed(results.runs.size(), false);
  const auto list = [&](GridSummary& summary, size_t place) {
    if (!listed[place]) summary.runs.push_back(place);
    listed[place] = true;
  };
  for (const GridPoint& point : grid_points(train)) {
    GridSummary& summary = summary_of(point.lr, point.epochs);
    const PointResult* run = find_run(results, point);
    summary.complete = summary.complete && run != nullptr;
    if (run != nullptr) list(summary, static_cast<size_t>(run - results.runs.data()));
  }
  for (size_t place = 0; place < results.runs.size(); ++place) {
    const GridPoint& point = results.runs[place].point;
    list(summary_of(point.lr, point.epochs), place);
  }
  for (GridSummary& summary : summaries) {
    for (const size_t place : summary.runs) {
      const PointResult& run = results.runs[place];
      summary.diverged = summary.diverged || run.diverged;
      if (run.diverged) continue;
      if (summary.scores.empty() ||
          is_better(results.metric, run.best_score, results.runs[summary.best_run].best_score)) {
        summary.best_run = place;
      }
      summary.scores.push_back(run.best_score);
    }
    set_statistics(summary);
  }
  return summaries;
}

const GridSummary* best_summary(const std::vector<GridSummary>& summaries, Metric metric) {
  const GridSummary* best = nullptr;
  for (const GridSummary& summary : summaries) {
    if (!summary.counts()) continue;
    if (best == nullptr || is_better(metric, summary.mean, best->mean)) best = &summary;
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
  if (const GridSummary* best = best_summary(summaries, results.metric)) {
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
  json["model"] = written_json(results.written);
  json["confusion"] = results.confusion;
  json["settings"] = results.settings;
  return json;
}

void resume_results(const fs::path& path, FinetuneResults& results) {
  if (!fs::exists(path)) return;
  const Json json = read_json(path);
  try {
    if (json.at("format").get<int64_t>() != kFormat) {
      fail<DataError>("format {} is not known, expected {}", json.at("format").get<int64_t>(),
                      kFormat);
    }
    check_settings(path, json.at("settings").get<std::map<std::string, std::string>>(),
                   results.settings);
    parse_runs(json.at("runs"), results);
    parse_written(json, results);
    results.finished = json.at("finished").get<bool>() && results.written &&
                       results.written->test_tables == results.test_tables;
  } catch (const Json::exception& error) {
    fail<DataError>("{}: expected results of `apollo finetune`: {}", path.string(), error.what());
  } catch (const DataError& error) {
    fail<DataError>("{}: {}; hint: another --out, or remove the file", path.string(), error.what());
  }
}

namespace {

constexpr size_t kMaxClassesShown = 12;

std::string confusion_table(const FinetuneResults& results) {
  std::string text = "confusion on dev (a row is what is right, a column what is predicted):\n";
  size_t width = 6;
  for (const std::string& label : results.labels)
    width = std::max(width, label.size());
  const auto add_line = [&](std::string_view head, const auto& cells) {
    text += fmt::format("{:<{}}", head, width);
    for (const auto& cell : cells)
      text += fmt::format("  {:>{}}", cell, width);
    text += "\n";
  };
  add_line("", results.labels);
  for (size_t i = 0; i < results.confusion.size(); ++i)
    add_line(results.labels[i], results.confusion[i]);
  return text;
}

}  // namespace

std::string results_table(const FinetuneResults& results, const TaskConfig::Train& train) {
  const auto number = [](double value) { return fmt::format("{:.4f}", value); };
  std::string text = fmt::format("{}: {} on {} dev rows, trained on {}; chance {}\n", results.name,
                                 enum_name(results.metric), results.num_dev, results.num_train,
                                 number(score_of(results.chance, results.metric)));
  text +=
      fmt::format("{:<10}{:>6}  {:>8}{:>10}  {}\n", "lr", "epochs", "mean", "deviation", "by seed");
  const std::vector<GridSummary> summaries = summarize(results, train);
  const GridSummary* best = best_summary(summaries, results.metric);
  for (const GridSummary& summary : summaries) {
    std::string by_seed;
    for (const size_t place : summary.runs) {
      const PointResult& run = results.runs[place];
      by_seed += (by_seed.empty() ? "" : " ") +
                 (run.diverged ? std::string("diverged") : number(run.best_score));
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
  text += "\n";
  const bool shown = !results.confusion.empty() && results.labels.size() <= kMaxClassesShown;
  return shown ? text + confusion_table(results) : text;
}

}  // namespace apollo
