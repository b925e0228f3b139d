// `apollo compare`: what each run saved against a baseline.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/power_options.h"
#include "report/comparison.h"
#include "report/comparison_tables.h"
#include "report/groups_csv.h"
#include "report/page.h"
#include "report/tables.h"

namespace apollo {
namespace {

struct Options {
  std::vector<std::string> runs;
  CompareOptions compare;
  std::string html;
  std::string json;
  std::string csv;
  std::string markdown;
};

void run_compare(Options options) {
  // `--json RUN...` means standard output: the value is optional, and a run is not a file to write.
  if (std::filesystem::is_directory(options.json)) {
    options.runs.insert(options.runs.begin(), options.json);
    options.json = "-";
  }
  const Comparison comparison =
      compare_folders({options.runs.begin(), options.runs.end()}, options.compare);
  const std::string json = to_json(comparison).dump(2) + "\n";
  if (options.json == "-") {
    fmt::print("{}", json);
  } else {
    fmt::print("{}", to_text(comparison_tables(comparison), comparison.notes));
    if (!options.json.empty()) write_file_atomic(options.json, json);
  }
  if (!options.csv.empty()) write_file_atomic(options.csv, groups_csv(comparison));
  if (!options.markdown.empty()) {
    write_file_atomic(options.markdown,
                      to_markdown(comparison_tables(comparison), comparison.notes));
  }
  if (!options.html.empty()) {
    write_comparison_page(comparison, options.html);
    log_info("wrote {}", options.html);
  }
}

}  // namespace

void add_compare_command(CLI::App* command) {
  auto options = std::make_shared<Options>();
  command->description("Show what runs saved at equal loss and at equal FLOPs");
  command->add_option("runs", options->runs, "run folders")->type_name("RUN")->required();
  command
      ->add_option("--baseline", options->compare.baseline,
                   "run to compare with, by name or folder (default: the run from scratch, else "
                   "the first)")
      ->type_name("RUN");
  command
      ->add_option("--frontier", options->compare.frontier,
                   "names of runs from scratch, of any depth, separated by commas; the others are "
                   "compared with the best of them")
      ->delimiter(',')
      ->type_name("NAME");
  command->add_option("--html", options->html, "write a page with interactive charts")
      ->type_name("FILE");
  command->add_option("--json", options->json, "write the numbers as JSON; alone or '-': to stdout")
      ->type_name("FILE")
      ->expected(0, 1)
      ->default_str("-");
  command->add_option("--csv", options->csv, "write mean and deviation of every run as CSV")
      ->type_name("FILE");
  command->add_option("--markdown", options->markdown, "write the tables as Markdown")
      ->type_name("FILE");
  add_power_options(*command, options->compare.power);
  command->add_flag("--force", options->compare.force,
                    "compare runs of different data or models anyway");
  command->footer(
      "Example:\n"
      "  apollo compare runs/scratch runs/apollo --html comparison.html\n"
      "Runs of one name that differ only in seed are averaged, for each budget.");
  command->callback([options] { run_compare(*options); });
}

}  // namespace apollo
