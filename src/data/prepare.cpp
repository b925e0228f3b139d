#include "data/prepare.h"

#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "data/document_split.h"
#include "data/encode_pipeline.h"
#include "data/text_reader.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

// Returns a path beside which write_folder_atomic() can create a folder; refuses to replace
// anything but a dataset.
fs::path checked_out(const fs::path& out) {
  fs::path path = out.lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  if (fs::exists(path) && !fs::exists(path / "dataset.json") &&
      !(fs::is_directory(path) && fs::is_empty(path))) {
    fail<DataError>(
        "{}: exists and is no dataset; it would be replaced (hint: name another "
        "folder, or remove it)",
        path.string());
  }
  return path;
}

DatasetInfo base_info(const TextPieces& text, const Tokenizer& tokenizer) {
  DatasetInfo info;
  info.tokenizer_hash = tokenizer.hash();
  info.sources = text.sources();
  return info;
}

// Logs how much of the validation text came from which files.
void tell_split(const DocumentSplit& split, const std::vector<DatasetSource>& sources) {
  constexpr int64_t kMaxNames = 8;
  std::string names;
  int64_t num_named = 0;
  for (const auto& [source, num_tokens] : split.valid_tokens_by_file()) {
    if (num_named++ >= kMaxNames) continue;
    const fs::path path = sources[static_cast<size_t>(source)].name;
    names +=
        fmt::format("{}{} {}", names.empty() ? "" : ", ", path.filename().string(), num_tokens);
  }
  log_info("validation: {} of {} tokens ({:.2f} %), in blocks from {} of {} files: {}{}",
           split.num_valid_tokens(), split.num_tokens(),
           100.0 * static_cast<double>(split.num_valid_tokens()) /
               static_cast<double>(split.num_tokens()),
           num_named, sources.size(), names, num_named > kMaxNames ? ", ..." : "");
}

TextFiles open_text(const std::vector<fs::path>& files, const Tokenizer& tokenizer,
                    const PrepareOptions& options) {
  return TextFiles(files, {.text_field = options.text_field, .tokenizer = &tokenizer});
}

void warn(const TextPieces& text, const Tokenizer& tokenizer, int64_t num_documents) {
  text.warn();
  if (tokenizer.end_of_text() || num_documents < 2) return;
  log_warning(
      "nothing separates the {} documents: the tokenizer names no end of text (hint: name an "
      "eos_token of its vocabulary in its tokenizer_config.json)",
      num_documents);
}

}  // namespace

DatasetInfo prepare_dataset(const std::vector<fs::path>& files, const Tokenizer& tokenizer,
                            const fs::path& out, const PrepareOptions& options) {
  TextFiles text = open_text(files, tokenizer, options);
  return prepare_dataset(text, tokenizer, out, options);
}

DatasetInfo prepare_dataset(TextPieces& text, const Tokenizer& tokenizer, const fs::path& out,
                            const PrepareOptions& options) {
  DatasetInfo info;
  write_folder_atomic(checked_out(out), [&](const fs::path& dir) {
    DatasetPart part(dir, tokenizer.vocab_size());
    encode_pieces(text, tokenizer, options.num_threads, options.show_progress,
                  [&](const EncodedPiece& piece) {
                    part.add(piece.ids, piece.text_bytes, piece.invalid_sequences);
                    part.num_documents += piece.end_of_document ? 1 : 0;
                  });
    info = part.finish(base_info(text, tokenizer));
  });
  warn(text, tokenizer, info.num_documents);
  return info;
}

void prepare_split_datasets(const std::vector<fs::path>& files, const Tokenizer& tokenizer,
                            double valid_fraction, const fs::path& train_out,
                            const fs::path& valid_out, const PrepareOptions& options) {
  TextFiles text = open_text(files, tokenizer, options);
  prepare_split_datasets(text, tokenizer, valid_fraction, train_out, valid_out, options);
}

void prepare_split_datasets(TextPieces& text, const Tokenizer& tokenizer, double valid_fraction,
                            const fs::path& train_out, const fs::path& valid_out,
                            const PrepareOptions& options) {
  if (!(valid_fraction > 0 && valid_fraction < 1)) {
    fail<DataError>("validation share: expected more than 0 and less than 1, found {}",
                    valid_fraction);
  }
  const fs::path train_path = checked_out(train_out);
  const fs::path valid_path = checked_out(valid_out);
  if (train_path == valid_path) {
    fail<DataError>("{}: named both for training and for validation", train_path.string());
  }
  int64_t num_documents = 0;
  write_folder_atomic(train_path, [&](const fs::path& train_dir) {
    write_folder_atomic(valid_path, [&](const fs::path& valid_dir) {
      DocumentSplit split(train_dir, valid_dir, tokenizer, valid_fraction);
      encode_pieces(text, tokenizer, options.num_threads, options.show_progress,
                    [&](const EncodedPiece& piece) { split.add(piece); });
      num_documents = split.finish(base_info(text, tokenizer));
      tell_split(split, text.sources());
    });
  });
  warn(text, tokenizer, num_documents);
}

double bytes_per_token(const DatasetInfo& info) {
  return info.num_tokens > 0
             ? static_cast<double>(info.text_bytes) / static_cast<double>(info.num_tokens)
             : 0.0;
}

Json dataset_json(const fs::path& path, const DatasetInfo& info) {
  return {{"path", path.string()},
          {"tokens", info.num_tokens},
          {"documents", info.num_documents},
          {"text_bytes", info.text_bytes},
          {"bytes_per_token", bytes_per_token(info)},
          {"vocab_size", info.vocab_size},
          {"invalid_sequences", info.invalid_sequences},
          {"tokenizer_hash", info.tokenizer_hash},
          {"content_hash", info.content_hash}};
}

}  // namespace apollo
