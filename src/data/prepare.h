// From text files to token datasets: txt and jsonl, each plain, .gz, .xz or .zst, in a stream;
// encoding on all cores; same result for any number of threads.
//
// Documents: every file is one, or several where a line is exactly "<|endoftext|>"; in jsonl every
// line is one. Each ends with the tokenizer's end-of-text token; where it has none, the log says
// that nothing separates them. Special tokens that a document's text spells out are ordinary text.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/json_lines.h"
#include "config/run_config.h"
#include "data/text_pieces.h"
#include "data/token_dataset.h"
#include "text/tokenizer.h"

namespace apollo {

struct PrepareOptions {
  int64_t num_threads = 0;          // 0: all cores
  std::string text_field = "text";  // of jsonl
  bool show_progress = true;
};

// Writes the dataset folder `out` atomically. Throws DataError where there is no text, or a file
// is missing, damaged or of unknown form, or where `out` holds what is no dataset. Stops with
// Interrupted on a signal, leaving nothing.
DatasetInfo prepare_dataset(const std::vector<std::filesystem::path>& files,
                            const Tokenizer& tokenizer, const std::filesystem::path& out,
                            const PrepareOptions& options = {});

// The same of documents that come one by one, encoded as they come.
DatasetInfo prepare_dataset(TextPieces& text, const Tokenizer& tokenizer,
                            const std::filesystem::path& out, const PrepareOptions& options = {});

// Of files again, with a share of the documents (of the tokens at the end, where there are fewer
// than 100 documents) set apart for validation.
void prepare_split_datasets(const std::vector<std::filesystem::path>& files,
                            const Tokenizer& tokenizer, double valid_fraction,
                            const std::filesystem::path& train_out,
                            const std::filesystem::path& valid_out,
                            const PrepareOptions& options = {});

void prepare_split_datasets(TextPieces& text, const Tokenizer& tokenizer, double valid_fraction,
                            const std::filesystem::path& train_out,
                            const std::filesystem::path& valid_out,
                            const PrepareOptions& options = {});

// What the dataset in the folder `path` is, for scripts: {"path", "tokens", "documents",
// "text_bytes", "bytes_per_token", ...}.
Json dataset_json(const std::filesystem::path& path, const DatasetInfo& info);

// UTF-8 bytes that a token stands for on average; 0: not known.
double bytes_per_token(const DatasetInfo& info);

// Whatever [data] names, ready for training: prepared on first use, then from the cache.
struct RunData {
  std::unique_ptr<Tokenizer> tokenizer;  // null: bare .bin without one
  std::unique_ptr<TokenDataset> train;
  std::unique_ptr<TokenDataset> valid;  // null: none was asked for
  std::unique_ptr<TokenDataset> test;   // the same
  int64_t vocab_size = 0;               // the model's: of the tokenizer or model.vocab_size
};

// `base_dir`: the folder that relative paths start from. Expands globs, sorted. Throws DataError
// where a dataset was made by another tokenizer, or holds less than one sequence of the context,
// and where a file of data.test is named in data.train or data.valid too.
RunData open_run_data(const RunConfig& config, const std::filesystem::path& base_dir);

}  // namespace apollo
