// One table of the commands for both programs of the command line: apollo, which is light, and
// apollo-engine, which contains LibTorch (main.cpp). A command is a function that adds its options,
// help and example to the subcommand of its name. Its callback throws, and run_program() turns
// exceptions into messages and exit codes.
#pragma once

#include <span>
#include <string_view>

#include "progressive/last_rate.h"

namespace CLI {
class App;
}

namespace apollo {

struct ResolvedConfig;

using AddCommand = void (*)(CLI::App* command);

struct Command {
  std::string_view name;
  AddCommand add;                    // null in the light program for a command that needs LibTorch
  bool needs_torch = false;          // runs in the engine
  std::string_view torch_flag = {};  // it runs there with this flag alone
};

// Returns all commands of Apollo, in the order of `apollo --help`. Both programs have the same
// names.
std::span<const Command> commands();

void add_tokenizer_command(CLI::App* command);
void add_prepare_command(CLI::App* command);
// `measure`: how fast this machine trains; null in the light program, which leaves that to the
// engine.
void add_plan_command(CLI::App* command, LastRate (*measure)(const ResolvedConfig& resolved));
void add_train_command(CLI::App* command);
void add_eval_command(CLI::App* command);
void add_score_command(CLI::App* command);
void add_generate_command(CLI::App* command);
void add_grow_command(CLI::App* command);
void add_export_command(CLI::App* command);
void add_finetune_command(CLI::App* command);
void add_compare_command(CLI::App* command);
void add_report_command(CLI::App* command);
void add_suite_command(CLI::App* command);
void add_cache_command(CLI::App* command);
void add_completion_command(CLI::App* command);
void add_manual_command(CLI::App* command);

}  // namespace apollo
