// apollo prepare: turns text files into token datasets.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "cli/commands.h"
#include "cli/common_text.h"
#include "cli/number_checks.h"
#include "data/prepare.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

struct PrepareArguments {
  std::string tokenizer;
  std::vector<fs::path> files;
  fs::path out;
  double valid_fraction = 0.0;
  fs::path valid_out;
  std::string text_field = "text";
  int64_t threads = 0;
  bool json = false;
  fs::path verify;
};

std::string to_line(const fs::path& path, const DatasetInfo& info) {
  std::string line = fmt::format("{}: {} tokens", path.string(), info.num_tokens);
  if (info.num_documents > 0) {
    line += fmt::format(", {} documents, {} of text, {:.3f} bytes per token", info.num_documents,
                        format_bytes(static_cast<double>(info.text_bytes)), bytes_per_token(info));
  }
  return line;
}

void print_datasets(const std::vector<fs::path>& paths, bool json) {
  Json list = Json::array();
  for (const fs::path& path : paths) {
    const DatasetInfo info = TokenDataset::open(path).info();
    if (json) {
      list.push_back(dataset_json(path, info));
    } else {
      fmt::print("{}\n", to_line(path, info));
    }
  }
  if (json) fmt::print("{}\n", Json{{"datasets", list}}.dump(2));
}

void check(const PrepareArguments& arguments) {
  if (!arguments.verify.empty()) return;
  if (arguments.tokenizer.empty()) fail<UsageError>("--tokenizer is required");
  if (arguments.out.empty()) fail<UsageError>("--out is required");
  if (arguments.files.empty()) fail<UsageError>("FILE is required");
  if ((arguments.valid_fraction > 0) != !arguments.valid_out.empty()) {
    fail<UsageError>("--valid-fraction and --valid-out need each other");
  }
}

void run(const PrepareArguments& arguments) {
  check(arguments);
  if (!arguments.verify.empty()) {
    TokenDataset::open(arguments.verify).verify();
    print_datasets({arguments.verify}, arguments.json);
    return;
  }
  const std::unique_ptr<Tokenizer> tokenizer = load_tokenizer(arguments.tokenizer);
  const PrepareOptions options{.num_threads = arguments.threads,
                               .text_field = arguments.text_field};
  const std::vector<fs::path> files = text_files(arguments.files);
  if (arguments.valid_out.empty()) {
    prepare_dataset(files, *tokenizer, arguments.out, options);
    print_datasets({arguments.out}, arguments.json);
  } else {
    prepare_split_datasets(files, *tokenizer, arguments.valid_fraction, arguments.out,
                           arguments.valid_out, options);
    print_datasets({arguments.out, arguments.valid_out}, arguments.json);
  }
}

}  // namespace

void add_prepare_command(CLI::App* command) {
  command->description("Turn text files into a token dataset");
  const auto arguments = std::make_shared<PrepareArguments>();
  command->add_option(
      "FILE", arguments->files,
      "txt or JSON lines, each as it is or .gz, .xz or .zst, or a folder of them; in "
      "txt a line '<|endoftext|>' ends a document");
  command->add_option("--text-field", arguments->text_field,
                      "field of JSON lines that holds a document's text (default text)");
  command->add_option("--tokenizer", arguments->tokenizer,
                      "folder with tokenizer.json, or 'bytes'");
  command->add_option("--out", arguments->out, "folder to write the dataset to");
  command
      ->add_option("--valid-fraction", arguments->valid_fraction,
                   "share of the text to set apart for validation, in blocks drawn from all of it; "
                   "documents of less than 2000 tokens stay whole")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--valid-out", arguments->valid_out,
                      "folder to write the validation dataset to");
  command->add_option("--threads", arguments->threads, "threads that encode; 0: as many as cores")
      ->check(at_least_zero());
  command->add_flag("--json", arguments->json, "print the result as JSON");
  command->add_option("--verify", arguments->verify,
                      "prepare nothing; check that the dataset in this folder is undamaged");
  command->footer(
      "Example:\n"
      "  apollo prepare --tokenizer tokenizer/ --out data/train text/*.txt.xz \\\n"
      "                 --valid-fraction 0.01 --valid-out data/valid");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace apollo
