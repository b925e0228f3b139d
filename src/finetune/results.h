// The results of a grid: results.json, from which a later call continues, and the table for people.
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

// All seeds of one learning rate and number of epochs, including those of earlier calls.
struct GridSummary {
  double lr = 0.0;
  int64_t epochs = 0;
  std::vector<size_t> runs;    // indices into FinetuneResults::runs: seeds of the grid, then others
  std::vector<double> scores;  // their best dev scores, without runs that diverged
  bool complete = false;       // whether the grid has no missing seed
  bool diverged = false;       // whether at least one diverged
  double mean = 0.0;
  std::optional<double> deviation;  // of the sample (n - 1); none for a single seed
  size_t best_run = 0;              // index into FinetuneResults::runs

  bool counts() const { return complete && !diverged; }
};

// What was written into the folder, apart from results.json.
struct WrittenModel {
  GridPoint point;          // from which the model comes
  std::string test_tables;  // hash of the tables behind predictions-test.tsv
};

struct FinetuneResults {
  std::string name;
  TaskKind kind = TaskKind::kClassification;
  Metric metric = Metric::kAccuracy;
  std::vector<std::string> labels;  // empty: regression
  int64_t num_train = 0;
  int64_t num_dev = 0;
  int64_t num_test = 0;
  Scores chance;  // best constant answer for dev, metric by metric
  std::string checkpoint;
  bool random_weights = false;
  // What a run's numbers depend on apart from its grid point, by name.
  std::map<std::string, std::string> settings;
  std::string test_tables;  // their hash: predictions depend on it, runs do not
  bool finished = false;    // whether model and predictions are written
  std::optional<WrittenModel> written;
  // The written model's predictions on dev, one row per true class and one column per predicted
  // class; empty for regression.
  std::vector<std::vector<int64_t>> confusion;
  std::vector<PointResult> runs;
};

// Returns the points of the grid in the order of the task file, with seeds innermost.
std::vector<GridPoint> grid_points(const TaskConfig::Train& train);

const PointResult* find_run(const FinetuneResults& results, const GridPoint& point);

// Returns one entry per learning rate and number of epochs: the grid of `train`, then what earlier
// calls tried.
std::vector<GridSummary> summarize(const FinetuneResults& results, const TaskConfig::Train& train);

// Returns the entry with the best mean among those for which counts() holds, the first among
// equals; null if there is none.
const GridSummary* best_summary(const std::vector<GridSummary>& summaries, Metric metric);

Json to_json(const FinetuneResults& results, const TaskConfig::Train& train);

// Reads `finished`, `written`, `confusion` and `runs` from the file if it exists. Throws DataError
// if it is damaged or holds an impossible value, and UsageError that names the first setting that
// differs if it holds results of another task.
void resume_results(const std::filesystem::path& path, FinetuneResults& results);

// For stdout.
std::string results_table(const FinetuneResults& results, const TaskConfig::Train& train);

}  // namespace apollo
