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

// A path that write_folder_atomic can name a neighbour of; refuses to replace what is no dataset.
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

DatasetInfo base_info(const TextFiles& files, const Tokenizer& tokenizer) {
  DatasetInfo info;
  info.tokenizer_hash = tokenizer.hash();
  for (const TextFiles::Source& source : files.sources()) {
    info.sources.push_back({source.path.string(), source.bytes, source.hash});
  }
  return info;
}

void warn_of_invalid(int64_t count) {
  if (count > 0) log_warning("{} invalid UTF-8 sequences were replaced by U+FFFD", count);
}

}  // namespace

DatasetInfo prepare_dataset(const std::vector<fs::path>& files, const Tokenizer& tokenizer,
                            const fs::path& out, const PrepareOptions& options) {
  TextFiles text(files);
  DatasetInfo info;
  write_folder_atomic(checked_out(out), [&](const fs::path& dir) {
    DatasetPart part(dir, tokenizer.vocab_size());
    encode_files(text, tokenizer, options.num_threads, options.show_progress,
                 [&](const EncodedPiece& piece) {
                   part.add(piece.ids, piece.text_bytes, piece.invalid_sequences);
                   part.num_documents += piece.end_of_document ? 1 : 0;
                 });
    info = part.finish(base_info(text, tokenizer));
  });
  warn_of_invalid(info.invalid_sequences);
  return info;
}

void prepare_split_datasets(const std::vector<fs::path>& files, const Tokenizer& tokenizer,
                            double valid_fraction, const fs::path& train_out,
                            const fs::path& valid_out, const PrepareOptions& options) {
  if (!(valid_fraction > 0 && valid_fraction < 1)) {
    fail<DataError>("validation share: expected more than 0 and less than 1, found {}",
                    valid_fraction);
  }
  TextFiles text(files);
  const fs::path train_path = checked_out(train_out);
  const fs::path valid_path = checked_out(valid_out);
  if (train_path == valid_path) {
    fail<DataError>("{}: named both for training and for validation", train_path.string());
  }
  write_folder_atomic(train_path, [&](const fs::path& train_dir) {
    write_folder_atomic(valid_path, [&](const fs::path& valid_dir) {
      DocumentSplit split(train_dir, valid_dir, tokenizer, valid_fraction);
      encode_files(text, tokenizer, options.num_threads, options.show_progress,
                   [&](const EncodedPiece& piece) { split.add(piece); });
      split.finish(base_info(text, tokenizer));
    });
  });
  warn_of_invalid(text.num_invalid_sequences());
}

}  // namespace apollo
