// `apollo tokenizer`: train, encode, decode.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "cli/commands.h"
#include "cli/common_text.h"
#include "cli/number_checks.h"
#include "data/text_reader.h"
#include "text/bpe_trainer.h"
#include "text/token_lines.h"
#include "text/tokenizer.h"
#include "text/wordpiece_trainer.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

struct TrainOptions {
  std::string kind = "bpe";
  BpeTrainerOptions bpe;  // size, frequency and threads are WordPiece's too
  bool cased = false;
  std::string text_field = "text";
  std::string out;
  std::vector<std::string> files;
};

struct LineOptions {
  std::string tokenizer;
  std::string file;
  bool json = false;
  bool no_special_tokens = false;
};

std::unique_ptr<Tokenizer> train(const TrainOptions& options, const TextSource& source) {
  if (options.kind == "bpe") return train_bpe(source, options.bpe);
  WordPieceTrainerOptions wordpiece;
  wordpiece.vocab_size = options.bpe.vocab_size;
  wordpiece.min_frequency = options.bpe.min_frequency;
  wordpiece.num_threads = options.bpe.num_threads;
  wordpiece.lowercase = !options.cased;
  return train_wordpiece(source, wordpiece);
}

void run_train(const TrainOptions& options) {
  const bool is_bpe = options.kind == "bpe";
  if (!is_bpe && (options.bpe.masked || options.bpe.pre_tokenizer != PreTokenizer::kGpt2)) {
    fail<UsageError>("--pretokenizer and --masked go with --kind bpe");
  }
  if (options.cased && options.kind != "wordpiece") {
    fail<UsageError>("--cased goes with --kind wordpiece; byte-level BPE always keeps the case");
  }
  const auto untrained = make_untrained_bpe(options.bpe);  // it knows where text may be cut
  TextFiles text(text_files({options.files.begin(), options.files.end()}),
                 {.text_field = options.text_field, .tokenizer = untrained.get()});
  if (options.out == "-") {
    fail<UsageError>("'-' is stdout, which takes no folder; expected a name for --out");
  }
  int64_t vocab_size = 0;
  const auto fill = [&](const fs::path& dir) {
    bool end_of_document = false;
    const auto source = [&](std::string& piece) { return text.next(piece, end_of_document); };
    const auto tokenizer = train(options, source);
    text.warn();
    tokenizer->save(dir);
    vocab_size = tokenizer->vocab_size();
  };
  // Created first, so that a folder that cannot be written does not waste the training. A new
  // folder appears whole; in one that already holds files they are replaced one by one.
  const bool is_new = !fs::exists(options.out) || fs::is_empty(options.out);
  const fs::path parent = fs::absolute(options.out).lexically_normal().parent_path();
  std::error_code error;
  fs::create_directories(is_new ? parent : fs::path(options.out), error);
  if (error) fail<Error>("{}: cannot make the folder: {}", options.out, error.message());
  if (is_new) {
    write_folder_atomic(options.out, fill);
  } else {
    fill(options.out);
  }
  fmt::print("{}: {} tokens\n", options.out, vocab_size);
}

using LineFunction = void (*)(std::istream&, std::ostream&, const Tokenizer&,
                              const TokenLineOptions&);

void run_lines(const LineOptions& options, LineFunction convert) {
  const auto tokenizer = load_tokenizer(options.tokenizer);
  TokenLineOptions lines;
  lines.json = options.json;
  lines.special_tokens = !options.no_special_tokens;
  std::ios::sync_with_stdio(false);
  if (options.file == "-") {
    convert(std::cin, std::cout, *tokenizer, lines);
  } else {
    lines.name = options.file;
    std::ifstream in;
    {
      const WaitingForInput waiting;  // a pipe opens when somebody opens its other end
      in.open(options.file, std::ios::binary);
    }
    if (!in || fs::is_directory(options.file)) {
      fail<DataError>("{}: cannot read the file", options.file);
    }
    convert(in, std::cout, *tokenizer, lines);
  }
  std::cout.flush();
  if (!std::cout) fail<Error>("stdout: cannot write");
}

void add_train(CLI::App& app) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* command = app.add_subcommand("train", "Train a tokenizer on text files");
  command->add_option("--kind", options->kind, "bpe: byte-level BPE, as GPT-2; wordpiece: as BERT")
      ->check(CLI::IsMember({"bpe", "wordpiece"}))
      ->capture_default_str();
  command
      ->add_option("--vocab-size", options->bpe.vocab_size,
                   "tokens, with the special ones and bpe's 256 bytes")
      ->required();
  command
      ->add_option("--min-frequency", options->bpe.min_frequency,
                   "how often a pair must occur to be merged")
      ->capture_default_str();
  command
      ->add_option_function<std::string>(
          "--pretokenizer",
          [options](const std::string& name) {
            options->bpe.pre_tokenizer = *find_enum<PreTokenizer>(name);
          },
          "bpe: how text is cut into words: as gpt2 (and ModernBERT), llama3 or qwen")
      ->check(CLI::IsMember({"gpt2", "llama3", "qwen"}))
      ->default_str("gpt2");
  command->add_flag("--masked", options->bpe.masked,
                    "bpe: with [CLS], [SEP], [PAD], [UNK] and [MASK], for a masked model");
  command->add_flag("--cased", options->cased,
                    "wordpiece: keep capitals and accents (otherwise both are removed)");
  command
      ->add_option("--text-field", options->text_field,
                   "field of JSON lines that holds a document's text")
      ->capture_default_str();
  command->add_option("--threads", options->bpe.num_threads, "0: all cores")
      ->check(at_least_zero())
      ->capture_default_str();
  command->add_option("--out", options->out, "folder for tokenizer.json and the other files")
      ->type_name("DIR")
      ->required();
  command
      ->add_option("files", options->files,
                   "txt or JSON lines, each plain, .gz, .xz or .zst, or a folder of them")
      ->type_name("FILE")
      ->required();
  command->footer(
      "Examples:\n"
      "  apollo tokenizer train --kind bpe --vocab-size 8192 --out tokenizer/ text/*.txt\n"
      "  apollo tokenizer train --kind wordpiece --vocab-size 8192 --out tokenizer/ text/*.txt");
  command->callback([options] { run_train(*options); });
}

void add_lines(CLI::App& app, const std::string& name, const std::string& description,
               const std::string& no_special, const std::string& example, LineFunction convert) {
  auto options = std::make_shared<LineOptions>();
  CLI::App* command = app.add_subcommand(name, description);
  command
      ->add_option("--tokenizer", options->tokenizer,
                   "folder, tokenizer.json, or 'bytes' for the built-in one")
      ->type_name("DIR")
      ->required();
  command->add_flag("--json", options->json, "write one JSON object per line");
  command->add_flag("--no-special-tokens", options->no_special_tokens, no_special);
  command->add_option("file", options->file, "file of lines; '-': stdin")
      ->type_name("FILE")
      ->required();
  command->footer("Example:\n  " + example);
  command->callback([options, convert] { run_lines(*options, convert); });
}

}  // namespace

void add_tokenizer_command(CLI::App* command) {
  command->description("Train a tokenizer, or use one on lines");
  command->require_subcommand(1);
  command->footer(
      "Example:\n"
      "  apollo tokenizer train --kind bpe --vocab-size 8192 --out tokenizer/ text/*.txt");
  add_train(*command);
  add_lines(*command, "encode", "Turn each line of text into a line of ids",
            "treat special tokens in the text as ordinary text",
            "apollo tokenizer encode --tokenizer tokenizer/ --json lines.txt", encode_lines);
  add_lines(*command, "decode", "Turn each line of ids, plain or as JSON, into text",
            "leave special tokens out of the text",
            "echo '15496 995' | apollo tokenizer decode --tokenizer gpt2/ -", decode_lines);
}

}  // namespace apollo
