// What came out of a grid: results.json, which a further call goes on from, and the table for
// people.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json_lines.h"
#include "finetune/train_point.h"

namespace apollo {

// All seeds of one learning rate and number of epochs, those of earlier calls included.
struct GridSummary {
  double lr = 0.0;
  int64_t epochs = 0;
  std::vector<size_t> runs;    // places in FinetuneResults::runs: seeds of the grid, then others
  std::vector<double> scores;  // best dev score of those of them that did not diverge
  bool complete = false;       // no seed of the grid is missing
  bool diverged = false;       // one of them or more
  double mean = 0.0;
  std::optional<double> deviation;  // of the sample (n - 1); none for a single seed
  size_t best_run = 0;              // place in FinetuneResults::runs

  bool counts() const { return complete && !diverged; }
};

// What stands in the folder beside results.json.
struct WrittenModel {
  GridPoint point;          // of the model
  std::string test_tables;  // identity of those that predictions-test.tsv is of
};

struct FinetuneResults {
  std::string name;
  TaskKind kind = TaskKind::kClassification;
  Metric metric = Metric::kAccuracy;
  std::vector<std::string> labels;  // empty: regression
  int64_t num_train = 0;
  int64_t num_dev = 0;
  int64_t num_test = 0;
  Scores chance;  // of the best constant answer for dev, metric by metric
  std::string checkpoint;
  bool random_weights = false;
  // What a run's numbers depend on apart from its grid point, by name.
  std::map<std::string, std::string> settings;
  std::string test_tables;  // their identity: the predictions depend on it, the runs do not
  bool finished = false;    // model and predictions are written
  std::optional<WrittenModel> written;
  // The written model's predictions on dev: a row for each true class and a column for each
  // predicted one; empty for regression.
  std::vector<std::vector<int64_t>> confusion;
  std::vector<PointResult> runs;
};

// The points of the grid in the order of the task file, seeds innermost.
std::vector<GridPoint> grid_points(const TaskConfig::Train& train);

const PointResult* find_run(const FinetuneResults& results, const GridPoint& point);

// One entry for each learning rate and number of epochs: the grid of `train`, then what earlier
// calls tried.
std::vector<GridSummary> summarize(const FinetuneResults& results, const TaskConfig::Train& train);

// The entry that counts with the best mean, the first of equals; null where none counts.
const GridSummary* best_summary(const std::vector<GridSummary>& summaries, Metric metric);

Json to_json(const FinetuneResults& results, const TaskConfig::Train& train);

// Takes `finished`, `written`, `confusion` and `runs` from the file where there is one. Throws
// DataError where it is damaged or holds a value that cannot be, UsageError naming the first
// setting that differs where it holds results of another task.
void resume_results(const std::filesystem::path& path, FinetuneResults& results);

// For stdout.
std::string results_table(const FinetuneResults& results, const TaskConfig::Train& train);

}  // namespace apollo
