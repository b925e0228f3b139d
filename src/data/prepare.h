// Turns text files into token datasets: txt and jsonl, each plain, .gz, .xz or .zst, in a stream.
// Encoding uses all cores; the result is the same for any number of threads.
//
// Every file is one document, or several if it has lines that are exactly "<|endoftext|>"; in jsonl
// every line is one. Each document ends with the tokenizer's end-of-text token. If there is no such
// token, the log says that nothing separates the documents. Special tokens that are spelled out in
// a document are ordinary text.
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

// Writes the dataset folder `out` atomically. Throws DataError if there is no text, if a file is
// missing, damaged or of unknown form, or if `out` holds something other than a dataset. Stops with
// Interrupted on a signal, leaving nothing behind.
DatasetInfo prepare_dataset(const std::vector<std::filesystem::path>& files,
                            const Tokenizer& tokenizer, const std::filesystem::path& out,
                            const PrepareOptions& options = {});

// The same for documents that come one by one and are encoded as they come.
DatasetInfo prepare_dataset(TextPieces& text, const Tokenizer& tokenizer,
                            const std::filesystem::path& out, const PrepareOptions& options = {});

// The same for files, with a share of the text set apart for validation (document_split.h).
void prepare_split_datasets(const std::vector<std::filesystem::path>& files,
                            const Tokenizer& tokenizer, double valid_fraction,
                            const std::filesystem::path& train_out,
                            const std::filesystem::path& valid_out,
                            const PrepareOptions& options = {});

void prepare_split_datasets(TextPieces& text, const Tokenizer& tokenizer, double valid_fraction,
                            const std::filesystem::path& train_out,
                            const std::filesystem::path& valid_out,
                            const PrepareOptions& options = {});

// Returns a description of the dataset in the folder `path`, for scripts: {"path", "tokens",
// "documents", "text_bytes", "bytes_per_token", ...}.
Json dataset_json(const std::filesystem::path& path, const DatasetInfo& info);

// Returns the UTF-8 bytes that a token stands for on average; 0: unknown.
double bytes_per_token(const DatasetInfo& info);

// The data of [data], ready for training. It is prepared on first use and cached afterwards.
struct RunData {
  std::unique_ptr<Tokenizer> tokenizer;  // null: a bare .bin without a tokenizer
  std::unique_ptr<TokenDataset> train;
  std::unique_ptr<TokenDataset> valid;  // null: none was asked for
  std::unique_ptr<TokenDataset> test;   // likewise
  int64_t vocab_size = 0;               // of the model: the tokenizer's or model.vocab_size
};

// Opens the data of a run. `base_dir` is the folder from which relative paths start. Patterns are
// expanded and sorted. Throws DataError if a dataset was made by another tokenizer or is shorter
// than one sequence of the context, and if a file of data.test is also in data.train or data.valid.
RunData open_run_data(const RunConfig& config, const std::filesystem::path& base_dir);

}  // namespace apollo
