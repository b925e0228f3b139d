#include "finetune/finetune.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/units.h"
#include "finetune/encoded_rows.h"
#include "finetune/predict.h"
#include "finetune/sequence_classifier.h"
#include "finetune/task_data.h"
#include "finetune/train_point.h"
#include "infer/model_folder.h"
#include "model/safetensors.h"
#include "ops/determinism.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// Returns a hash of the files that make up the model of a folder.
std::string hash_model(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path& path = entry.path();
    if (path.extension() == ".safetensors" || path.filename() == "config.json")
      files.push_back(path);
  }
  std::sort(files.begin(), files.end());
  StreamHash hash;
  for (const fs::path& path : files)
    hash.update(hash_file(path));
  return hash.hex();
}

std::map<std::string, std::string> result_settings(const ResolvedTask& task, const fs::path& folder,
                                                   const Tokenizer& tokenizer,
                                                   bool random_weights) {
  std::map<std::string, std::string> settings = {
      {"checkpoint", hash_model(folder)},
      {"tokenizer", tokenizer.hash()},
      {"training tables", hash_tables(task, task.config.task.train)},
      {"dev tables", hash_tables(task, task.config.task.dev)},
      {"--random-weights", random_weights ? "true" : "false"}};
  visit_task_fields(
      [&](const Field& field, const auto& value) {
        if (field.effect == Effect::kResult) settings[field.path()] = toml_text(value);
      },
      task.config);
  return settings;
}

Scores chance_scores(const TaskData& data) {
  if (data.labels.empty()) return constant_regression_scores(data.dev.numbers);
  return constant_classification_scores(data.dev.classes, static_cast<int64_t>(data.labels.size()),
                                        data.positive_class);
}

int64_t row_length(const ResolvedTask& task, const ModelSpec& spec) {
  const int64_t asked = task.config.train.max_length;
  if (asked > spec.shape.context) {
    fail_at_key(task, "train.max_length",
                fmt::format("train.max_length {} is beyond the model's context of {} tokens", asked,
                            spec.shape.context),
                fmt::format("at most {}, or 0 for all of it", spec.shape.context));
  }
  return asked == 0 ? spec.shape.context : asked;
}

// Everything that the runs share.
class Grid {
 public:
  Grid(const ResolvedTask& task, const FinetuneOptions& options)
      : task_(task),
        options_(options),
        folder_(find_model_folder(options.checkpoint)),
        start_(folder_, task.config.train.depth, task.config.train.dropout, options.device,
               task.config.train.pooling),
        tokenizer_(load_tokenizer(folder_.string())),
        tokens_(row_tokens(*tokenizer_, objective_of(start_.spec().shape.architecture),
                           folder_.string())),
        max_length_(row_length(task, start_.spec())) {
    describe(encode());
    const auto num_outputs = std::max<size_t>(1, results_.labels.size());
    classifier_.emplace(start_.make(static_cast<int64_t>(num_outputs)));
  }

  FinetuneResults run() {
    resume_results(results_path(), results_);
    train_missing();
    if (!results_.finished) finish();
    return std::move(results_);
  }

 private:
  PointTask point_task() const {
    return {task_.config, train_, dev_, tokens_.padding, positive_class_, scale_};
  }
  fs::path results_path() const { return options_.out / "results.json"; }
  fs::path weights_path(const GridPoint& point) const {
    return options_.out / "weights" /
           fmt::format("lr-{}-epochs-{}.safetensors", point.lr, point.epochs);
  }

  TaskData encode() {
    TaskData data = load_task_data(task_);
    if (!data.train.pairs.empty() &&
        objective_of(start_.spec().shape.architecture) == Objective::kMasked &&
        start_.spec().shape.token_types < 2) {
      fail<CheckpointError>("{}: a pair needs two token types, the model has one",
                            folder_.string());
    }
    for (const auto& [rows, encoded] :
         {std::pair(&data.train, &train_), std::pair(&data.dev, &dev_),
          std::pair(&data.test, &test_)}) {
      *encoded = encode_rows(*rows, *tokenizer_, tokens_, max_length_);
      require_known_tokens(encoded->ids, *tokenizer_, start_.spec(), folder_.string());
    }
    log_info("{}: {} rows to train on, {} dev, {} test; {} of them cut to {} tokens",
             task_.config.task.name, train_.size(), dev_.size(), test_.size(),
             train_.num_truncated + dev_.num_truncated + test_.num_truncated, max_length_);
    return data;
  }

  void describe(TaskData data) {
    results_.name = task_.config.task.name;
    results_.kind = task_.config.task.kind;
    results_.metric = task_.config.task.metric;
    results_.labels = data.labels;
    results_.num_train = train_.size();
    results_.num_dev = dev_.size();
    results_.num_test = test_.size();
    results_.chance = chance_scores(data);
    results_.checkpoint = folder_.string();
    results_.random_weights = options_.random_weights;
    results_.settings = result_settings(task_, folder_, *tokenizer_, options_.random_weights);
    results_.test_tables = hash_tables(task_, task_.config.task.test);
    positive_class_ = data.positive_class;
    scale_ = target_scale(data.train.numbers, takes_shift(start_.spec().shape.architecture));
    dev_rows_ = std::move(data.dev);
    test_rows_ = std::move(data.test);
  }

  void save_results() const {
    write_file_atomic(results_path(), to_json(results_, task_.config.train).dump(2) + "\n");
  }

  PointResult train(const GridPoint& point, ClassifierWeights& best, Progress& progress,
                    int64_t& steps_done) {
    start_.restart(*classifier_, {point.seed, options_.random_weights});
    return train_point(*classifier_, point_task(), point, best, [&](const std::string& note) {
      progress.update(static_cast<double>(++steps_done), note);
    });
  }

  void train_missing() {
    std::vector<GridPoint> missing;
    int64_t num_missing_steps = 0;
    for (const GridPoint& point : grid_points(task_.config.train)) {
      if (find_run(results_, point) != nullptr) continue;
      missing.push_back(point);
      num_missing_steps += num_steps(point_task(), point.epochs);
    }
    if (missing.empty()) return;
    results_.finished = false;
    Progress progress("finetune", static_cast<double>(num_missing_steps), "steps");
    int64_t steps_done = 0;
    for (const GridPoint& point : missing) {
      ClassifierWeights best;
      const PointResult result = train(point, best, progress, steps_done);
      keep(result, best);
      log_info("{}: lr {:g}, {} epochs, seed {}: {} ({})", results_.name, point.lr, point.epochs,
               point.seed,
               result.diverged ? "diverged"
                               : fmt::format("{} {:.4f} after epoch {}", enum_name(results_.metric),
                                             result.best_score, result.best_epoch),
               format_seconds(result.seconds));
    }
  }

  // Saves the weights first. Every recorded run then has them, or its learning rate has better
  // ones.
  void keep(const PointResult& result, const ClassifierWeights& best) {
    bool leads = !result.diverged;
    for (const PointResult& other : results_.runs) {
      const bool beside =
          other.point.lr == result.point.lr && other.point.epochs == result.point.epochs;
      if (beside && !other.diverged &&
          !is_better(results_.metric, result.best_score, other.best_score)) {
        leads = false;
      }
    }
    if (leads) {
      fs::create_directories(options_.out / "weights");
      write_safetensors(weights_path(result.point), {{"body", best.body}, {"head", best.head}},
                        {{"seed", std::to_string(result.point.seed)}});
    }
    results_.runs.push_back(result);
    save_results();
    const std::vector<GridSummary> summaries = summarize(results_, task_.config.train);
    const GridSummary* winner = best_summary(summaries, results_.metric);
    for (const GridSummary& summary : summaries) {
      if (summary.complete && &summary != winner)
        fs::remove(weights_path({summary.lr, summary.epochs}));
    }
  }

  // Puts the best model into the classifier. Trains it again if its weights are gone, for example
  // when the grid of a finished task was extended.
  void restore(const GridPoint& point) {
    const fs::path path = weights_path(point);
    if (fs::exists(path)) {
      const SafetensorsFile file = read_safetensors(path);
      if (file.metadata.at("seed") == std::to_string(point.seed)) {
        ClassifierWeights weights;
        for (const auto& [name, tensor] : file.tensors)
          (name == "body" ? weights.body : weights.head) = tensor;
        classifier_->set_weights(weights);
        return;
      }
    }
    log_info("{}: the weights of the best run are not there; it runs again", results_.name);
    Progress progress("finetune", static_cast<double>(num_steps(point_task(), point.epochs)),
                      "steps");
    int64_t steps_done = 0;
    ClassifierWeights best;
    train(point, best, progress, steps_done);
    classifier_->set_weights(best);
  }

  // Saves the best of all recorded runs as the folder's model.
  void finish() {
    const std::vector<GridSummary> summaries = summarize(results_, task_.config.train);
    const GridSummary* winner = best_summary(summaries, results_.metric);
    if (winner == nullptr) {
      fail<DivergedError>(
          "{}: no learning rate got through all seeds with a finite loss; hint: a "
          "lower train.lr, or train.clip = 1.0",
          results_.name);
    }
    const GridPoint& best = results_.runs[winner->best_run].point;
    const std::optional<WrittenModel>& written = results_.written;
    if (written && written->point == best && written->test_tables == results_.test_tables &&
        fs::exists(options_.out / "model")) {
      log_info("{}: the best is still lr {:g}, {} epochs, seed {}; its model stays as it is",
               results_.name, best.lr, best.epochs, best.seed);
    } else {
      write_model(best);
    }
    results_.finished = true;
    save_results();
    fs::remove_all(options_.out / "weights");
  }

  void write_model(const GridPoint& point) {
    // The model is recorded only when all of it is written.
    results_.written.reset();
    results_.confusion.clear();
    save_results();
    restore(point);
    if (results_.labels.empty()) classifier_->rescale_output(scale_.deviation, scale_.mean);
    const at::Tensor logits_NC = write_predictions("dev", dev_, dev_rows_);
    look_at(logits_NC);
    if (test_.size() > 0) write_predictions("test", test_, test_rows_);
    write_folder_atomic(options_.out / "model", [&](const fs::path& fresh) {
      save_classifier(*classifier_,
                      {start_.config(), results_.labels, *tokenizer_, tokens_, max_length_}, fresh);
    });
    results_.written = WrittenModel{point, results_.test_tables};
  }

  // Looks at the model's predictions on dev.
  void look_at(const at::Tensor& logits_NC) {
    if (const auto answer = only_answer(logits_NC, results_.labels, scale_.deviation)) {
      log_warning(
          "{}: the best model answers '{}' to all {} rows of dev, whatever their text; "
          "hint: more train.epochs, or another train.lr",
          results_.name, *answer, dev_.size());
    }
    if (results_.labels.empty()) return;
    const auto num_classes = static_cast<int64_t>(results_.labels.size());
    const std::vector<int64_t> counts =
        confusion_matrix(predicted_classes(logits_NC), dev_.classes, num_classes);
    for (auto row = counts.begin(); row != counts.end(); row += num_classes)
      results_.confusion.emplace_back(row, row + num_classes);
  }

  at::Tensor write_predictions(const std::string& part, const EncodedRows& encoded,
                               const TaskRows& rows) const {
    const at::Tensor logits_NC =
        predict(*classifier_, encoded, tokens_.padding, task_.config.train.precision);
    write_file_atomic(options_.out / fmt::format("predictions-{}.tsv", part),
                      predictions_table(logits_NC, rows, results_.labels));
    return logits_NC;
  }

  const ResolvedTask& task_;
  const FinetuneOptions& options_;
  fs::path folder_;
  ClassifierStart start_;
  std::unique_ptr<Tokenizer> tokenizer_;
  RowTokens tokens_;
  int64_t max_length_;
  EncodedRows train_;
  EncodedRows dev_;
  EncodedRows test_;
  TaskRows dev_rows_;
  TaskRows test_rows_;
  TargetScale scale_;
  int64_t positive_class_ = 0;
  std::optional<SequenceClassifier> classifier_;
  FinetuneResults results_;
};

}  // namespace

FinetuneResults finetune(const ResolvedTask& task, const FinetuneOptions& options) {
  check_precision(task.config.train.precision, options.device, cpu_multiplies_bf16());
  use_deterministic_operators(options.device);
  Grid grid(task, options);
  fs::create_directories(options.out);
  const FileLock lock(options.out / ".lock");
  return grid.run();
}

}  // namespace apollo
