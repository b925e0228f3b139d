// Makes everything that [data] names ready for training. Prepared text and trained tokenizers are
// cached (text_cache.h) under a key made of what they depend on: absolute paths, sizes, times and
// hashes of the sources, the text field, the tokenizer's hash, the validation share and the version
// of this cache. A cached dataset is trusted only if its content has the hash that it states.
#include <algorithm>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/file_identity.h"
#include "base/json_lines.h"
#include "base/log.h"
#include "config/value_names.h"
#include "data/batches.h"
#include "data/input_files.h"
#include "data/prepare.h"
#include "data/text_cache.h"
#include "data/text_reader.h"
#include "text/bpe_trainer.h"
#include "text/wordpiece_trainer.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// Raise it when the same text and tokenizer are prepared differently than before.
constexpr int64_t kCacheVersion = 2;

// The files of one list in [data].
struct Inputs {
  std::string key;  // "data.train", "data.valid" or "data.test"
  std::vector<fs::path> paths;
  bool is_dataset = false;
};

Inputs expand_list(const std::string& key, const std::vector<std::string>& patterns,
                   const fs::path& base_dir) {
  Inputs inputs{key, {}, false};
  std::set<fs::path> seen;
  const auto add = [&](const fs::path& path) {
    if (seen.insert(path).second) inputs.paths.push_back(path);
  };
  for (const std::string& pattern : patterns) {
    for (const fs::path& path : expand_pattern(key, pattern, base_dir)) {
      if (fs::is_directory(path) && !is_token_dataset(path)) {
        for (const fs::path& file : text_files_in(key, path))
          add(file);
      } else {
        add(path);
      }
    }
  }
  if (inputs.paths.empty()) return inputs;
  inputs.is_dataset = is_token_dataset(inputs.paths.front());
  for (const fs::path& path : inputs.paths) {
    if (is_token_dataset(path) != inputs.is_dataset) {
      const fs::path& dataset = inputs.is_dataset ? inputs.paths.front() : path;
      const fs::path& text = inputs.is_dataset ? path : inputs.paths.front();
      fail<DataError>(
          "{}: expected text or a prepared dataset, found both: '{}' is a dataset, "
          "'{}' is text",
          key, dataset.string(), text.string());
    }
  }
  if (inputs.is_dataset && inputs.paths.size() > 1) {
    fail<DataError>(
        "{}: expected one prepared dataset, found {}: '{}', '{}'{} (hint: prepare "
        "their texts into one)",
        key, inputs.paths.size(), inputs.paths[0].string(), inputs.paths[1].string(),
        inputs.paths.size() > 2 ? ", ..." : "");
  }
  return inputs;
}

fs::path cache_folder(const RunConfig& config, const fs::path& base_dir) {
  return config.data.cache.empty() ? user_cache_dir() : base_dir / config.data.cache;
}

std::unique_ptr<Tokenizer> train_tokenizer(const std::string& spec, const Inputs& train,
                                           const RunConfig& config, const fs::path& cache) {
  const auto asked = parse_trained_tokenizer(spec);
  if (!asked) {
    fail<DataError>(
        "data.tokenizer: expected 'train:bpe:N', 'train:wordpiece:N' or 'train:wordpiece-cased:N', "
        "found '{}' (hint: 'train:bpe:8192')",
        spec);
  }
  if (train.is_dataset) {
    fail<DataError>("data.tokenizer: '{}' needs text, but data.train is the prepared dataset '{}'",
                    spec, train.paths.front().string());
  }
  const bool is_masked = objective_of(config.model.architecture) == Objective::kMasked;
  const fs::path dir = cache / "tokenizers" /
                       cache_key({{"version", kCacheVersion},
                                  {"spec", spec},
                                  {"text_field", config.data.text_field},
                                  {"pretokenizer", enum_name(config.data.pretokenizer)},
                                  {"masked", is_masked},
                                  {"files", fingerprint(train.paths, cache)}});
  make_once(
      dir, [&] { return fs::exists(dir / "tokenizer.json"); },
      [&] {
        BpeTrainerOptions bpe;
        WordPieceTrainerOptions wordpiece;
        bpe.vocab_size = wordpiece.vocab_size = asked->vocab_size;
        bpe.pre_tokenizer = config.data.pretokenizer;
        bpe.masked = is_masked;
        wordpiece.lowercase = asked->lowercase;
        const auto untrained = make_untrained_bpe(bpe);  // it knows where text may be cut
        TextFiles files(train.paths,
                        {.text_field = config.data.text_field, .tokenizer = untrained.get()});
        bool end_of_document = false;
        const auto source = [&](std::string& piece) { return files.next(piece, end_of_document); };
        const auto trained = asked->kind == TrainedTokenizer::Kind::kWordPiece
                                 ? train_wordpiece(source, wordpiece)
                                 : train_bpe(source, bpe);
        write_folder_atomic(dir, [&](const fs::path& fresh) { trained->save(fresh); });
      });
  return load_tokenizer(dir.string());
}

// `lists`: the lists of [data], with the training text first.
std::unique_ptr<Tokenizer> open_tokenizer(const RunConfig& config, const fs::path& base_dir,
                                          const std::vector<const Inputs*>& lists) {
  const std::string& spec = config.data.tokenizer;
  if (asks_for_training(spec)) {
    return train_tokenizer(spec, *lists.front(), config, cache_folder(config, base_dir));
  }
  if (spec == "bytes") return load_tokenizer(spec);
  if (!spec.empty()) return load_tokenizer((base_dir / spec).lexically_normal().string());
  for (const Inputs* inputs : lists) {
    if (!inputs->paths.empty() && !inputs->is_dataset) {
      fail<DataError>(
          "data.tokenizer: empty, but {} is text (hint: a folder, 'train:bpe:8192' or "
          "'bytes')",
          inputs->key);
    }
  }
  return nullptr;
}

bool is_sound_dataset(const fs::path& path, const fs::path& cache) {
  if (!fs::exists(path)) return false;
  require_own_folder(path);
  try {
    TokenDataset::open(path).check_content(hash_memory(cache));
    return true;
  } catch (const DataError& error) {
    log_warning("{}; preparing it again", error.what());
    return false;
  }
}

// Returns folders of prepared text: one, or with a validation share training and validation.
std::vector<fs::path> prepare_cached(const Inputs& text, const Tokenizer& tokenizer,
                                     double valid_fraction, const RunConfig& config,
                                     const fs::path& base_dir) {
  const fs::path cache = cache_folder(config, base_dir);
  const fs::path entry = cache / "datasets" /
                         cache_key({{"version", kCacheVersion},
                                    {"tokenizer", tokenizer.hash()},
                                    {"begin", tokenizer.begin_of_text().value_or(-1)},
                                    {"valid_fraction", valid_fraction},
                                    {"text_field", config.data.text_field},
                                    {"files", fingerprint(text.paths, cache)}});
  std::vector<fs::path> folders = {entry};
  if (valid_fraction > 0) folders = {entry.string() + "-train", entry.string() + "-valid"};
  PrepareOptions options;
  options.num_threads = config.run.threads;
  options.text_field = config.data.text_field;
  make_once(
      entry,
      [&] {
        return std::all_of(folders.begin(), folders.end(),
                           [&](const fs::path& folder) { return is_sound_dataset(folder, cache); });
      },
      [&] {
        std::error_code ignored;
        for (const fs::path& folder : folders)
          fs::remove_all(folder, ignored);
        if (valid_fraction > 0) {
          prepare_split_datasets(text.paths, tokenizer, valid_fraction, folders[0], folders[1],
                                 options);
        } else {
          prepare_dataset(text.paths, tokenizer, entry, options);
        }
      });
  return folders;
}

std::unique_ptr<TokenDataset> open_dataset(const fs::path& path, int64_t vocab_size,
                                           const fs::path& cache) {
  TokenDataset dataset = TokenDataset::open(path, vocab_size);
  dataset.check_content(hash_memory(cache));
  return std::make_unique<TokenDataset>(std::move(dataset));
}

void check_tokenizer(const std::string& key, const TokenDataset& dataset, const fs::path& path,
                     const Tokenizer& tokenizer) {
  const std::string& made_by = dataset.info().tokenizer_hash;
  if (made_by.empty() || made_by == tokenizer.hash()) return;
  fail<DataError>(
      "{}: '{}' was made by another tokenizer: its hash is {}, that of data.tokenizer "
      "is {} (hint: name the tokenizer that the dataset was prepared with)",
      key, path.string(), made_by, tokenizer.hash());
}

int64_t model_vocab_size(const RunConfig& config, const RunData& data) {
  const int64_t asked = config.model.vocab_size;
  int64_t needed = data.train->info().vocab_size;
  for (const TokenDataset* dataset : {data.valid.get(), data.test.get()}) {
    if (dataset != nullptr) needed = std::max(needed, dataset->info().vocab_size);
  }
  if (data.tokenizer != nullptr) needed = std::max(needed, data.tokenizer->vocab_size());
  if (needed == 0 && asked == 0) {
    throw ConfigError({{"model.vocab_size", "needed: the dataset names no tokenizer (got 0)",
                        "one more than the largest token, 50257 for GPT-2"}});
  }
  if (asked > 0 && asked < needed) {
    throw ConfigError({{"model.vocab_size",
                        fmt::format("smaller than the tokenizer's {} (got {})", needed, asked),
                        "leave it out to take the tokenizer's"}});
  }
  return std::max(asked, needed);
}

void check_dataset(const std::string& key, const TokenDataset& dataset, const RunConfig& config,
                   int64_t vocab_size) {
  if (num_sequences(config, dataset.size()) < 1) {
    const int64_t context = config.model.context;
    fail<DataError>(
        "{}: {} tokens are less than one sequence: model.context = {} needs {} (hint: "
        "give more text, or a smaller model.context)",
        key, dataset.size(), context, min_tokens(objective_of(config.model.architecture), context));
  }
  const int64_t bound = dataset.info().bytes_per_token == 2 ? 1 << 16 : int64_t{1} << 32;
  if (vocab_size >= bound) return;
  if (const int64_t largest = dataset.max_token(); largest >= vocab_size) {
    fail<DataError>(
        "{}: holds token {}, outside of the vocabulary of {} (hint: data.tokenizer "
        "must be the one that made it; without one, set data.tokenizer = \"\" and "
        "model.vocab_size)",
        key, largest, vocab_size);
  }
}

// A loss reported on data.test claims that nothing was trained or chosen on it, so files must
// differ.
void check_unseen(const Inputs& test, const Inputs& other) {
  std::set<fs::path> names;
  for (const fs::path& path : other.paths)
    names.insert(fs::weakly_canonical(path));
  for (const fs::path& path : test.paths) {
    if (names.contains(fs::weakly_canonical(path))) {
      fail<DataError>("data.test: '{}' is named in {} too (hint: text that nothing else reads)",
                      path.string(), other.key);
    }
  }
}

// Returns the dataset of a list that is not to be split; empty if it is.
fs::path whole_dataset(const Inputs& text, const Tokenizer* tokenizer, const RunConfig& config,
                       const fs::path& base_dir) {
  if (text.paths.empty()) return {};
  if (text.is_dataset) return text.paths[0];
  return prepare_cached(text, *tokenizer, 0.0, config, base_dir)[0];
}

}  // namespace

RunData open_run_data(const RunConfig& config, const fs::path& base_dir) {
  const Inputs train = expand_list("data.train", config.data.train, base_dir);
  const Inputs valid = expand_list("data.valid", config.data.valid, base_dir);
  const Inputs test = expand_list("data.test", config.data.test, base_dir);
  if (train.paths.empty()) fail<DataError>("data.train: empty (hint: train = [\"text/*.txt\"])");
  check_unseen(test, train);
  check_unseen(test, valid);
  const double split = valid.paths.empty() ? config.data.valid_fraction : 0.0;
  if (split > 0 && train.is_dataset) {
    fail<DataError>(
        "data.valid_fraction: needs text to split, but data.train is the prepared "
        "dataset '{}' (hint: name a dataset in data.valid)",
        train.paths.front().string());
  }

  RunData data;
  data.tokenizer =
      tokenizer_for_objective(config, open_tokenizer(config, base_dir, {&train, &valid, &test}));
  const Tokenizer* tokenizer = data.tokenizer.get();
  check_objective_tokenizer(config, tokenizer);
  fs::path train_folder;
  fs::path valid_folder;
  if (split > 0) {
    const auto folders = prepare_cached(train, *tokenizer, split, config, base_dir);
    train_folder = folders[0];
    valid_folder = folders[1];
  } else {
    train_folder = whole_dataset(train, tokenizer, config, base_dir);
    valid_folder = whole_dataset(valid, tokenizer, config, base_dir);
  }
  const fs::path test_folder = whole_dataset(test, tokenizer, config, base_dir);

  const int64_t known_vocab_size =
      std::max(config.model.vocab_size, tokenizer != nullptr ? tokenizer->vocab_size() : 0);
  const auto open = [&](const Inputs& inputs, const fs::path& folder) {
    if (folder.empty()) return std::unique_ptr<TokenDataset>();
    auto dataset = open_dataset(folder, known_vocab_size, cache_folder(config, base_dir));
    if (tokenizer != nullptr) check_tokenizer(inputs.key, *dataset, folder, *tokenizer);
    return dataset;
  };
  data.train = open(train, train_folder);
  data.valid = open(valid, valid_folder);
  data.test = open(test, test_folder);
  data.vocab_size = model_vocab_size(config, data);
  check_dataset(train.key, *data.train, config, data.vocab_size);
  if (data.valid) check_dataset(valid.key, *data.valid, config, data.vocab_size);
  if (data.test) check_dataset(test.key, *data.test, config, data.vocab_size);
  return data;
}

}  // namespace apollo
