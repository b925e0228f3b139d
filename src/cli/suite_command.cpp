// apollo suite: trains and compares a grid of runs.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/number_checks.h"
#include "cli/power_options.h"
#include "report/comparison.h"
#include "report/comparison_tables.h"
#include "report/groups_csv.h"
#include "report/page.h"
#include "report/tables.h"
#include "suite/run_suite.h"
#include "suite/suite_cells.h"
#include "suite/suite_file.h"
#include "suite/suite_listing.h"
#include "suite/suite_plan.h"

namespace apollo {
namespace {

namespace fs = std::filesystem;

struct SuiteArguments {
  std::string file;
  std::string out;
  int64_t jobs = 0;  // 0: as the suite says
  bool dry_run = false;
  bool json = false;
  std::string csv;
  std::string markdown;
  PowerOptions power;
  SuitePlanOptions plan;
  SuiteCells cells;
};

// The runs of a model that finished; empty if the baseline or all others did not.
struct ComparableRuns {
  std::vector<fs::path> paths;
  std::vector<std::string> frontier;  // names of the frontier's runs among them
};

ComparableRuns comparable_runs(const SuitePlan& plan, const SuiteOutcome& outcome,
                               const std::string& model) {
  ComparableRuns comparable;
  const std::vector<std::string> frontier = plan.frontier();
  size_t num_baselines = 0;
  for (const RunOutcome& run : outcome.runs) {
    const std::string& name = run.run.name;
    if (run.run.model != model || !run.final_loss) continue;
    comparable.paths.push_back(run.run.folder);
    if (name == plan.file.baseline) ++num_baselines;
    if (std::find(frontier.begin(), frontier.end(), name) != frontier.end())
      comparable.frontier.push_back(name);
  }
  if (num_baselines == 0 || num_baselines == comparable.paths.size()) return {};
  return comparable;
}

// Compares the runs of one model; returns nullopt, with a warning, if there is nothing to compare.
std::optional<Comparison> compare_model(const SuitePlan& plan, const SuiteOutcome& outcome,
                                        const std::string& model, const PowerOptions& power) {
  const ComparableRuns folders = comparable_runs(plan, outcome, model);
  if (folders.paths.empty()) {
    log_warning("{}nothing to compare: the baseline '{}' and another run must have finished",
                model.empty() ? "" : model + ": ", plan.file.baseline);
    return std::nullopt;
  }
  // The runs are trained: what cannot be compared is shown with a note rather than refused.
  Comparison comparison = compare_folders(folders.paths, {.baseline = plan.file.baseline,
                                                          .frontier = folders.frontier,
                                                          .force = true,
                                                          .power = power});
  for (const TuningOutcome& group : outcome.tuning) {
    if (group.model != model) continue;
    for (size_t i = 0; i < group.tried.size(); ++i) {
      const RunOutcome& tried = group.tried[i];
      comparison.tuning.push_back({group.name, fmt::format("{}", fmt::join(tried.run.choice, ", ")),
                                   tried.run.budget, tried.run.seed, tried.final_loss, tried.reason,
                                   group.best == i, tried.run.folder.string()});
    }
  }
  return comparison;
}

// Returns the file for one model if each has its own comparison: table.csv -> table-gpt2.csv.
fs::path file_of_model(const fs::path& file, const std::string& model) {
  if (model.empty()) return file;
  return file.parent_path() / (file.stem().string() + "-" + model + file.extension().string());
}

void show_comparison(const SuiteArguments& arguments, const Comparison& comparison,
                     const fs::path& folder, const std::string& model) {
  const std::vector<Table> tables = comparison_tables(comparison);
  if (!arguments.json) {
    if (!model.empty()) fmt::print("== {} ==\n\n", model);
    fmt::print("{}\n", to_text(tables, comparison.notes));
  }
  write_file_atomic(folder / "results.json", to_json(comparison).dump(2) + "\n");
  write_comparison_page(comparison, folder / "report.html");
  log_info("wrote {}", (folder / "report.html").string());
  if (!arguments.csv.empty()) {
    write_file_atomic(file_of_model(arguments.csv, model), groups_csv(comparison));
  }
  if (!arguments.markdown.empty()) {
    write_file_atomic(file_of_model(arguments.markdown, model),
                      to_markdown(tables, comparison.notes));
  }
}

// Prints {"suite", "comparisons": {MODEL: ...}}; "" is the model of a suite without [[model]].
void show_comparisons(const SuiteArguments& arguments, const SuitePlan& plan,
                      const SuiteOutcome& outcome) {
  Json comparisons = Json::object();
  for (const SuiteModel& model : plan.file.models) {
    const auto comparison = compare_model(plan, outcome, model.name, arguments.power);
    if (!comparison) continue;
    show_comparison(arguments, *comparison, plan.model_folder(model.name), model.name);
    if (arguments.json) comparisons[model.name] = to_json(*comparison);
  }
  if (arguments.json) {
    const Json all = {{"suite", plan.file.name}, {"comparisons", std::move(comparisons)}};
    fmt::print("{}\n", all.dump(2));
  }
}

void report_failures(const SuiteOutcome& outcome) {
  const auto failures = outcome.failures();
  if (failures.empty()) return;
  std::string text;
  for (const RunOutcome* failed : failures) {
    text += fmt::format("\n  {}: {}\n    folder: {}", failed->run.label(), failed->reason,
                        failed->run.folder.string());
  }
  fail<Error>("suite: {} of the runs did not finish:{}", failures.size(), text);
}

void run_suite_command(const SuiteArguments& arguments) {
  SuiteFile file = read_suite_file(arguments.file);
  const fs::path out =
      arguments.out.empty() ? fs::path("runs") / file.name : fs::path(arguments.out);
  SuitePlan plan = plan_suite(std::move(file), out, arguments.plan);
  if (arguments.cells.any()) keep_cells(plan, arguments.cells);
  if (arguments.dry_run) {
    fmt::print("{}", arguments.json ? suite_plan_json(plan).dump(2) + "\n" : suite_plan_text(plan));
    return;
  }
  fs::create_directories(out);
  const FileLock lock(out / ".lock");
  log_info("{}: {} runs, {}", plan.file.name, plan.num_runs(), out.string());
  const SuiteOutcome outcome =
      run_suite(plan, {.jobs = arguments.jobs > 0 ? arguments.jobs : plan.file.jobs,
                       .program = {fs::read_symlink("/proc/self/exe").string()}});
  // A comparison of some cells would replace that of the suite.
  if (arguments.cells.any()) {
    log_info("some cells alone are not compared: the whole suite is, or `apollo compare`");
  } else {
    show_comparisons(arguments, plan, outcome);
  }
  report_failures(outcome);
}

}  // namespace

void add_suite_command(CLI::App* command) {
  auto arguments = std::make_shared<SuiteArguments>();
  command->description(
      "Train a grid of runs, seeds and budgets and compare them; the same again resumes");
  command->add_option("SUITE.toml", arguments->file, "the suite")->required();
  command->add_option("--out", arguments->out, "folder of its runs (default: runs/<suite.name>)")
      ->type_name("DIR");
  command->add_option("--jobs", arguments->jobs, "runs at once (default: suite.jobs)")
      ->check(above_zero())
      ->type_name("N");
  CLI::Option* dry_run =
      command->add_flag("--dry-run", arguments->dry_run, "list the runs with their FLOPs and stop");
  command
      ->add_option("--only", arguments->cells.runs,
                   "train only these runs, separated by commas; nothing is compared then")
      ->delimiter(',')
      ->type_name("RUN");
  command->add_option("--seeds", arguments->cells.seeds, "only these seeds, separated by commas")
      ->delimiter(',')
      ->type_name("N");
  command
      ->add_option("--budgets", arguments->cells.budgets,
                   "only these budgets, separated by commas: \"1e13 flops\"")
      ->delimiter(',')
      ->type_name("LENGTH");
  command->add_flag("--json", arguments->json, "print JSON");
  command
      ->add_option("--csv", arguments->csv,
                   "write mean and deviation of every run as CSV; one file per [[model]]")
      ->type_name("FILE");
  command
      ->add_option("--markdown", arguments->markdown,
                   "write the tables as Markdown; one file per [[model]]")
      ->type_name("FILE");
  add_power_options(*command, arguments->power);
  command
      ->add_option("--tokens", arguments->plan.tokens,
                   "with --dry-run: size of the training data, to plan without it")
      ->check(above_zero())
      ->needs(dry_run);
  command
      ->add_option("--vocab-size", arguments->plan.vocab_size,
                   "size of the vocabulary, with --tokens")
      ->check(above_zero());
  command->footer(
      "Example:\n"
      "  apollo suite recipes/suites/smoke.toml --out runs/smoke\n"
      "Ctrl-C lets the runs save and exits with 130.");
  command->callback([arguments] { run_suite_command(*arguments); });
}

}  // namespace apollo
