// One function a subcommand: adds it to the program with its options, help and example. The
// callback throws; main() turns exceptions into messages and exit codes.
#pragma once

namespace CLI {
class App;
}

namespace apollo {

void add_tokenizer_command(CLI::App& app);
void add_prepare_command(CLI::App& app);
void add_plan_command(CLI::App& app);
void add_train_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_score_command(CLI::App& app);
void add_generate_command(CLI::App& app);
void add_grow_command(CLI::App& app);
void add_export_command(CLI::App& app);
void add_compare_command(CLI::App& app);
void add_report_command(CLI::App& app);
void add_finetune_command(CLI::App& app);
void add_suite_command(CLI::App& app);

}  // namespace apollo
