// apollo train: starts one run, or continues it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/measured_rate.h"
#include "cli/number_checks.h"
#include "cli/processes.h"
#include "cli/text_run.h"
#include "config/fields.h"
#include "parallel/launch.h"
#include "progressive/resolve.h"
#include "report/page.h"
#include "train/trainer.h"

namespace apollo {
namespace {

struct TrainArguments {
  std::string config;  // or a text
  double minutes = 5.0;
  std::vector<std::string> overrides;
  std::string from;
  std::string out;
  int64_t processes = 1;
  bool no_page = false;
  bool config_help = false;
};

// Returns the command line that makes another process do the same.
std::vector<std::string> words_of(const TrainArguments& arguments) {
  std::vector<std::string> words = {std::filesystem::read_symlink("/proc/self/exe").string(),
                                    "train", arguments.config};
  for (const std::string& text : arguments.overrides)
    words.insert(words.end(), {"--set", text});
  if (!arguments.out.empty()) words.insert(words.end(), {"--out", arguments.out});
  if (arguments.no_page) words.emplace_back("--no-page");
  return words;
}

void train_config(const TrainArguments& arguments) {
  ResolvedConfig resolved = resolve_run_config(arguments.config, arguments.overrides);
  const std::filesystem::path run_dir =
      arguments.out.empty() ? std::filesystem::path("runs") / resolved.config.run.name
                            : std::filesystem::path(arguments.out);
  const std::optional<Launch> launch = find_launch();
  if (arguments.processes > 1 && !launch) {
    run_ranks(arguments.processes, words_of(arguments));
    return;
  }
  // Only the first rank logs everything.
  const bool leads = !launch || launch->rank == 0;
  if (!leads) set_log_level(LogLevel::kWarning);
  Trainer trainer(open_run(std::move(resolved), run_dir));
  const RunPosition before = trainer.opened().state.position;
  trainer.run();
  if (!leads) return;
  const Run& run = trainer.opened();
  if (run.workers->size() == 1)
    keep_rate_of_run(run.config(), run.device.str(), before, run.state.position);
  log_info("model:  {}", (run_dir / "checkpoints" / "latest").string());
  if (arguments.no_page) return;
  log_info("report: {}", write_run_report(run_dir).string());
}

void train_text(TrainArguments arguments) {
  if (find_launch()) {
    fail<UsageError>("{}: several processes need a config; hint: apollo train {} writes one",
                     arguments.config, arguments.config);
  }
  const TextRun planned = plan_text_run(arguments.config, arguments.out, arguments.minutes);
  arguments.config = planned.config.string();
  arguments.out = planned.run_dir.string();
  train_config(arguments);
  log_info("sample: apollo generate {} --prompt ''", arguments.out);
}

// --from is relative to where the command was typed, model.from to the config's folder.
std::string from_override(const std::string& from) {
  return "model.from=" + toml_text(std::filesystem::absolute(from).lexically_normal().string());
}

void train(TrainArguments arguments) {
  if (!arguments.from.empty()) arguments.overrides.push_back(from_override(arguments.from));
  if (arguments.config_help) {
    fmt::print("{}", config_reference());
  } else if (arguments.config.empty()) {
    throw UsageError("RUN.toml or a text is missing; hint: apollo train --help");
  } else if (is_text(arguments.config)) {
    if (!arguments.from.empty()) {
      fail<UsageError>(
          "--from needs a config: expected RUN.toml, found '{}'; hint: "
          "recipes/continue/run.toml, with --set data.train='[\"{}\"]'",
          arguments.config, std::filesystem::absolute(arguments.config).string());
    }
    train_text(arguments);
  } else {
    train_config(arguments);
  }
}

}  // namespace

void add_train_command(CLI::App* command) {
  auto arguments = std::make_shared<TrainArguments>();
  command->description(
      "Train a model from a config or a text; the same command again resumes the run");
  command->add_option("RUN.toml", arguments->config,
                      "the run's config, whose name ends in .toml; or a text (file or folder), for "
                      "which a config is written beside the run folder");
  command
      ->add_option("--minutes", arguments->minutes,
                   "of a text without a config: how long to train (default 5)")
      ->check(above_zero());
  command->add_option("--set", arguments->overrides, "override a key, for example train.lr=1e-3")
      ->expected(1)
      ->take_all();
  command->add_option(
      "--from", arguments->from,
      "begin with a trained model, a Hugging Face folder or a run: sets model.from");
  command->add_option("--out", arguments->out, "run folder (default: runs/<run.name>)");
  command
      ->add_option("--processes", arguments->processes,
                   "share the run among N processes on this machine (also: torchrun, mpirun, "
                   "srun)")
      ->check(CLI::Range(1, 1024));
  command->add_flag("--no-page", arguments->no_page,
                    "write no report.html at the end; apollo report RUN makes it at any time");
  command->add_flag("--help-config", arguments->config_help,
                    "print every key of RUN.toml and stop");
  command->footer(
      "Example:\n"
      "  apollo train recipes/demo/apollo.toml --set run.seed=1 --out runs/demo-1\n"
      "  apollo train my.txt\n"
      "  apollo train recipes/continue/run.toml --from gpt2/ --set "
      "'data.train=[\"/home/me/my.txt\"]'\n"
      "Ctrl-C saves a checkpoint and exits with 130.");
  command->callback([arguments] { train(*arguments); });
}

}  // namespace apollo
