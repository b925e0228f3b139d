#include "infer/zero_shot.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>
#include <unordered_map>

#include "base/error.h"
#include "base/progress.h"
#include "infer/predictor.h"
#include "infer/score.h"
#include "infer/task_file.h"

namespace apollo {

namespace fs = std::filesystem;

namespace {

// The accuracy of choosing one of two sentences at random.
constexpr double kBlimpChance = 0.5;

struct PairFile {
  std::string name;
  std::vector<TaskItem> pairs;  // texts: good, bad
};

std::vector<PairFile> read_pairs(const fs::path& path, int64_t max_items) {
  std::vector<PairFile> files;
  for (const fs::path& file : find_task_files(path)) {
    files.push_back(
        {task_file_name(file), read_task_file(file, {"sentence_good", "sentence_bad"}, max_items)});
  }
  return files;
}

// A sentence may be in several pairs of a file; each is scored only once.
Tally evaluate_pairs(const Predictor& predictor, const PairFile& file, const ShareDone& on_share) {
  std::unordered_map<std::string, size_t> places;
  std::vector<std::string> sentences;
  const auto place_of = [&](const std::string& sentence) {
    const auto [found, is_new] = places.emplace(sentence, sentences.size());
    if (is_new) sentences.push_back(sentence);
    return found->second;
  };
  std::vector<std::pair<size_t, size_t>> pairs;
  for (const TaskItem& item : file.pairs)
    pairs.emplace_back(place_of(item.texts[0]), place_of(item.texts[1]));

  const std::vector<TextScore> scores = score_texts(predictor, sentences, on_share);
  const auto num_correct = std::count_if(pairs.begin(), pairs.end(), [&](const auto& pair) {
    return scores[pair.first].total() > scores[pair.second].total();
  });
  return {file.name, static_cast<int64_t>(pairs.size()), num_correct};
}

// A passage as tokens, with what precedes each text of a causal model; those from `target` on are
// its last word.
struct Passage {
  std::vector<TokenId> tokens;
  size_t target = 0;
};

Passage make_passage(const TaskItem& item, const Predictor& predictor, const std::string& file) {
  const std::string& raw = item.texts[0];
  const std::string text = raw.substr(0, raw.find_last_not_of(" \t\r\n") + 1);
  const size_t space = text.rfind(' ');
  if (space == std::string::npos || text.find_first_not_of(' ') >= space) {
    fail<DataError>("{}:{}: expected a text of two words or more, found '{}'", file, item.line,
                    raw.substr(0, 40));
  }
  Passage passage;
  std::vector<TokenId> context;
  const auto begin =
      predictor.is_causal() ? predictor.tokenizer().begin_of_text() : std::optional<TokenId>();
  if (begin) passage.tokens.push_back(*begin);
  predictor.tokenizer().encode(text, passage.tokens);
  predictor.tokenizer().encode(text.substr(0, space), context);
  passage.target = context.size() + (begin ? 1 : 0);
  const auto num_targets = static_cast<int64_t>(passage.tokens.size() - passage.target);
  // A causal model needs a token from which to predict the first.
  const int64_t needed = num_targets + (predictor.is_causal() ? 1 : 0);
  if (num_targets < 1 || context.empty()) {
    fail<DataError>("{}:{}: the tokenizer knows nothing in '{}'", file, item.line,
                    raw.substr(0, 40));
  }
  if (needed > predictor.max_tokens()) {
    fail<DataError>("{}:{}: the last word has {} tokens; expected at most {}, by the context", file,
                    item.line, num_targets,
                    predictor.max_tokens() - (predictor.is_causal() ? 1 : 0));
  }
  return passage;
}

// Returns the end of the passage, as much as the context holds.
Prediction predict_last_word(const Passage& passage, int64_t max_tokens) {
  const auto size = static_cast<int64_t>(passage.tokens.size());
  const int64_t begin = std::max<int64_t>(0, size - max_tokens);
  const auto target = static_cast<int64_t>(passage.target);
  return {std::span(passage.tokens).subspan(static_cast<size_t>(begin)), target - begin,
          size - target};
}

std::string percent(double share) {
  return fmt::format("{:.2f} %", 100.0 * share);
}

}  // namespace

BlimpResult evaluate_blimp(const LoadedModel& loaded, const fs::path& path,
                           const ZeroShotOptions& options) {
  const Predictor predictor(loaded, options.depth, options.batch_size, options.workers);
  const std::vector<PairFile> files = read_pairs(path, options.max_items);
  BlimpResult result;
  result.all.name = "all pairs";
  double num_pairs = 0.0;
  for (const PairFile& file : files)
    num_pairs += static_cast<double>(file.pairs.size());
  Progress progress("blimp", num_pairs, "pairs");
  for (const PairFile& file : files) {
    const auto done = static_cast<double>(result.all.num_items);
    const auto size = static_cast<double>(file.pairs.size());
    result.files.push_back(evaluate_pairs(predictor, file, [&](double share) {
      if (predictor.leads()) progress.update(done + share * size, file.name);
    }));
    const Tally& tally = result.files.back();
    result.all.num_items += tally.num_items;
    result.all.num_correct += tally.num_correct;
    result.mean_accuracy += tally.accuracy() / static_cast<double>(files.size());
  }
  return result;
}

LambadaResult evaluate_lambada(const LoadedModel& loaded, const fs::path& file,
                               const ZeroShotOptions& options) {
  const Predictor predictor(loaded, options.depth, options.batch_size, options.workers);
  if (fs::is_directory(file)) {
    fail<DataError>("{}: expected a .jsonl file, found a folder", file.string());
  }
  std::vector<Passage> passages;
  for (const TaskItem& item : read_task_file(file, {"text"}, options.max_items))
    passages.push_back(make_passage(item, predictor, file.string()));
  std::vector<Prediction> predictions;
  for (const Passage& passage : passages)
    predictions.push_back(predict_last_word(passage, predictor.max_tokens()));

  const auto num_passages = static_cast<double>(passages.size());
  Progress progress("lambada", num_passages, "passages");
  const std::vector<TokenScore> scores = predictor.score(predictions, [&](double share) {
    if (predictor.leads()) progress.update(share * num_passages);
  });
  LambadaResult result;
  result.words.name = task_file_name(file);
  result.words.num_items = static_cast<int64_t>(passages.size());
  double total = 0.0;
  auto next = scores.begin();
  for (const Prediction& prediction : predictions) {
    const auto end = next + prediction.count;
    if (std::all_of(next, end, [](const TokenScore& score) { return score.is_top; })) {
      ++result.words.num_correct;
    }
    for (; next != end; ++next)
      total += next->logprob;
  }
  result.mean_logprob = total / num_passages;
  if (predictor.is_causal()) result.perplexity = std::exp(-result.mean_logprob);
  return result;
}

std::string to_text(const BlimpResult& result) {
  const std::string mean_name = fmt::format("mean of {} files", result.files.size());
  size_t width = mean_name.size();
  for (const Tally& tally : result.files)
    width = std::max(width, tally.name.size());
  std::string text = fmt::format("{:<{}}  {:>6}  {:>9}\n", "file", width, "pairs", "accuracy");
  const auto add = [&](const std::string& name, const std::string& count, double accuracy) {
    text += fmt::format("{:<{}}  {:>6}  {:>9}\n", name, width, count, percent(accuracy));
  };
  for (const Tally& tally : result.files)
    add(tally.name, std::to_string(tally.num_items), tally.accuracy());
  text += '\n';
  add(mean_name, "", result.mean_accuracy);
  add(result.all.name, std::to_string(result.all.num_items), result.all.accuracy());
  add("chance", "", kBlimpChance);
  return text;
}

std::string to_text(const LambadaResult& result) {
  std::string text =
      fmt::format("passages         {}\naccuracy         {}\nlog-probability  {:.4f} nats a word\n",
                  result.words.num_items, percent(result.words.accuracy()), result.mean_logprob);
  if (result.perplexity) text += fmt::format("perplexity       {:.4f}\n", *result.perplexity);
  return text;
}

Json to_json(const BlimpResult& result) {
  Json files = Json::array();
  for (const Tally& tally : result.files) {
    files.push_back({{"name", tally.name},
                     {"pairs", tally.num_items},
                     {"correct", tally.num_correct},
                     {"accuracy", tally.accuracy()}});
  }
  return {{"task", "blimp"},
          {"files", std::move(files)},
          {"accuracy", result.mean_accuracy},
          {"pairs", result.all.num_items},
          {"pair_accuracy", result.all.accuracy()},
          {"chance", kBlimpChance}};
}

Json to_json(const LambadaResult& result) {
  return {{"task", "lambada"},
          {"passages", result.words.num_items},
          {"correct", result.words.num_correct},
          {"accuracy", result.words.accuracy()},
          {"logprob", result.mean_logprob},
          {"perplexity", result.perplexity ? Json(*result.perplexity) : Json()}};
}

}  // namespace apollo
