// build/apollo-engine: every command, with LibTorch. build/apollo calls it (main.cpp).
#include "base/allocator.h"
#include "base/standard_streams.h"
#include "cli/commands.h"
#include "cli/program.h"
#include "ops/tensor_allocator.h"

int main(int argc, char** argv) {
  using namespace apollo;
  guard_standard_streams();
  set_allocator();
  set_tensor_allocator();
  constexpr AddCommand kCommands[] = {
      add_tokenizer_command, add_prepare_command,  add_plan_command,     add_train_command,
      add_eval_command,      add_score_command,    add_generate_command, add_grow_command,
      add_export_command,    add_finetune_command, add_compare_command,  add_report_command,
      add_suite_command,
  };
  return run_program(argc, argv, kCommands);
}
