// Text to token datasets.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <filesystem>

#include "cli/common_text.h"
#include "data/prepare.h"
#include "data/text_reader.h"
#include "python/light_module.h"

namespace apollo::python {
namespace {

namespace fs = std::filesystem;

// Returns documents from a callable that gives the next one, or None.
TextDocuments documents_of(const nb::callable& next) {
  return TextDocuments([&next](std::string& document) {
    const nb::gil_scoped_acquire acquired;
    const nb::object text = next();
    if (text.is_none()) return false;
    Py_ssize_t size = 0;
    const char* bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &size);
    if (bytes == nullptr) throw nb::python_error();
    document.assign(bytes, static_cast<size_t>(size));
    return true;
  });
}

std::string prepare(TextPieces& text, const Tokenizer& tokenizer, const fs::path& out,
                    double valid_fraction, const fs::path& valid_out,
                    const PrepareOptions& options) {
  std::vector<fs::path> made = {out};
  if (valid_out.empty()) {
    prepare_dataset(text, tokenizer, out, options);
  } else {
    prepare_split_datasets(text, tokenizer, valid_fraction, out, valid_out, options);
    made.push_back(valid_out);
  }
  Json infos = Json::array();
  for (const fs::path& path : made)
    infos.push_back(dataset_json(path, TokenDataset::open(path).info()));
  return infos.dump();
}

std::string prepare_files(const std::vector<std::string>& files, const Tokenizer& tokenizer,
                          const std::string& out, double valid_fraction,
                          const std::string& valid_out, const std::string& text_field,
                          int64_t threads, bool progress) {
  const LightCall call;
  const PrepareOptions options{
      .num_threads = threads, .text_field = text_field, .show_progress = progress};
  TextFiles text(text_files({files.begin(), files.end()}),
                 {.text_field = text_field, .tokenizer = &tokenizer});
  return prepare(text, tokenizer, out, valid_fraction, valid_out, options);
}

std::string prepare_documents(const nb::callable& next, const Tokenizer& tokenizer,
                              const std::string& out, double valid_fraction,
                              const std::string& valid_out, int64_t threads, bool progress) {
  const LightCall call;
  TextDocuments text = documents_of(next);
  return prepare(text, tokenizer, out, valid_fraction, valid_out,
                 {.num_threads = threads, .show_progress = progress});
}

}  // namespace

void bind_data(nb::module_& module) {
  module.def("prepare_files", &prepare_files);
  module.def("prepare_documents", &prepare_documents);
}

}  // namespace apollo::python
