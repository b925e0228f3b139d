#include "report/comparable.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"

namespace apollo {
namespace {

struct Trait {
  std::string name;
  std::string value;
  bool may_be_missing = false;  // the run.toml may be lost, or the log older than the field
};

// Returns a key's value, or "" if the run's folder has no run.toml.
std::string config_value(const RunHistory& run, const std::string& key) {
  const auto found = std::find_if(run.config.begin(), run.config.end(),
                                  [&](const ConfigEntry& entry) { return entry.first == key; });
  return found == run.config.end() ? "" : found->second;
}

// Earlier versions read the beginning of the validation data if a run did not read all of it.
std::string evaluated_tokens(const RunHistory& run) {
  const std::string tokens = config_value(run, "eval.max_tokens");
  const bool is_part = !tokens.empty() && tokens != "0";
  return is_part && run.info.evaluated.empty() ? tokens + " from the beginning" : tokens;
}

// Returns what must agree for losses to be the same quantity and models the same model.
std::vector<Trait> binding_traits(const RunHistory& run) {
  const StartRow& info = run.info;
  std::vector<Trait> traits = {
      {"training data", info.train_data},
      {"validation data", info.valid_data},
      {"tokenizer", info.tokenizer},
      {"architecture", info.architecture},
      {"layers", std::to_string(info.layers)},
      {"width", std::to_string(info.width)},
      {"heads", std::to_string(info.heads)},
      {"context", std::to_string(info.context)},
      {"vocab_size", std::to_string(info.vocab_size)},
      {"eval.max_tokens", evaluated_tokens(run), /*may_be_missing=*/true},
      {"test data", run.test ? run.test->data : "", /*may_be_missing=*/true}};
  if (info.architecture != "bert") return traits;
  // These keys decide what is predicted, and from what.
  for (const char* key :
       {"data.masked_fraction", "data.mask_whole_words", "data.separate_documents"}) {
    traits.push_back({key, config_value(run, key), /*may_be_missing=*/true});
  }
  return traits;
}

// Returns what a fair experiment also keeps equal, except what the experiment is about.
std::vector<Trait> noted_traits(const RunHistory& run) {
  const StartRow& info = run.info;
  return {
      {"batch size", std::to_string(info.batch_size)},
      {"peak learning rate", config_value(run, "train.lr"), /*may_be_missing=*/true},
      {"learning-rate schedule", config_value(run, "train.lr_schedule"), /*may_be_missing=*/true},
      {"optimizer", info.optimizer, /*may_be_missing=*/true},
      {"seed", std::to_string(info.seed)},
      {"device", info.device},
      {"threads", std::to_string(info.threads)},
      {"precision", info.precision},
      {"kernels", info.kernels},
      {"library of matrix products", info.matmul, /*may_be_missing=*/true}};
}

// One of two architectures may have additional traits.
std::string differences(const std::vector<Trait>& run, const std::vector<Trait>& baseline) {
  std::string text;
  for (size_t i = 0; i < std::min(run.size(), baseline.size()); ++i) {
    if (run[i].value == baseline[i].value) continue;
    const bool is_unknown = run[i].value.empty() || baseline[i].value.empty();
    if (run[i].may_be_missing && is_unknown) continue;
    text += fmt::format("{}{} ('{}' against '{}')", text.empty() ? "" : ", ", run[i].name,
                        run[i].value, baseline[i].value);
  }
  return text;
}

}  // namespace

// Throws if losses of the runs are different quantities, or notes it if forced.
void check_comparable(Comparison& comparison, bool force) {
  const ComparedRun& baseline = comparison.runs[comparison.baseline];
  constexpr size_t kMostNamed = 3;
  std::vector<std::string> faults;
  for (const ComparedRun& run : comparison.runs) {
    auto traits = binding_traits(run.history);
    auto baseline_traits = binding_traits(baseline.history);
    if (comparison.has_frontier) {
      for (auto* of_run : {&traits, &baseline_traits})
        std::erase_if(*of_run, [](const Trait& trait) { return trait.name == "layers"; });
    }
    const std::string binding = differences(traits, baseline_traits);
    if (binding.empty()) continue;
    faults.push_back(fmt::format("'{}' differs from '{}' in {}", run.name, baseline.name, binding));
  }
  const size_t num_named = std::min(faults.size(), kMostNamed);
  std::string refused = fmt::format(
      "{}", fmt::join(faults.begin(), faults.begin() + static_cast<ptrdiff_t>(num_named), "; "));
  if (faults.size() > num_named) {
    refused += fmt::format("; and {} more", faults.size() - num_named);
  }
  if (refused.empty()) return;
  if (!force) {
    fail<UsageError>(
        "compare: the runs are not comparable: {} (hint: --force compares them anyway)", refused);
  }
  comparison.notes.push_back("NOT COMPARABLE: " + refused);
}

void note_once(Comparison& comparison, std::string note) {
  auto& notes = comparison.notes;
  if (std::find(notes.begin(), notes.end(), note) == notes.end()) notes.push_back(std::move(note));
}

// For groups, notes once what all their runs share. The runs of a group are meant to differ in
// seed.
void note_differences(Comparison& comparison) {
  const bool grouped = comparison.is_grouped;
  for (const ComparedRun& run : comparison.runs) {
    if (!run.pair) continue;
    const ComparedRun& pair = comparison.runs[*run.pair];
    const std::string noted = differences(noted_traits(run.history), noted_traits(pair.history));
    if (noted.empty()) continue;
    note_once(comparison,
              fmt::format("'{}' differs from '{}' in {}", grouped ? run.group : run.name,
                          grouped ? pair.group : pair.name, noted));
  }
}

void note_depths(Comparison& comparison) {
  for (const ComparedRun& run : comparison.runs) {
    if (!run.pair) continue;
    const ComparedRun& pair = comparison.runs[*run.pair];
    const int64_t layers = run.history.info.layers;
    const int64_t pair_layers = pair.history.info.layers;
    if (layers == pair_layers) continue;
    note_once(comparison,
              fmt::format("'{}' ends with {} layers and '{}' with {}: equal loss and equal budget "
                          "compare models of different depths",
                          comparison.is_grouped ? run.group : run.name, layers,
                          comparison.is_grouped ? pair.group : pair.name, pair_layers));
  }
}

std::vector<ConfigDifference> config_differences(const std::vector<ComparedRun>& runs) {
  std::vector<std::string> keys;
  for (const ComparedRun& run : runs) {
    for (const ConfigEntry& entry : run.history.config) {
      if (std::find(keys.begin(), keys.end(), entry.first) == keys.end()) {
        keys.push_back(entry.first);
      }
    }
  }
  std::vector<ConfigDifference> chosen;
  for (const std::string& key : keys) {
    if (key == "run.name") continue;
    ConfigDifference difference{key, {}};
    for (const ComparedRun& run : runs) {
      difference.values.push_back(config_value(run.history, key));
    }
    const auto& values = difference.values;
    if (std::any_of(values.begin(), values.end(),
                    [&](const std::string& value) { return value != values.front(); })) {
      chosen.push_back(std::move(difference));
    }
  }
  return chosen;
}

}  // namespace apollo
