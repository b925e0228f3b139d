// Compiled once per program: the light one contains no code of the commands that need LibTorch.
#include "cli/commands.h"

#ifdef APOLLO_ENGINE
#include "cli/measured_rate.h"
#endif

namespace apollo {
namespace {

#ifdef APOLLO_ENGINE
#define APOLLO_ENGINE_ONLY(add) add, /*needs_torch=*/true
constexpr auto kMeasure = &measured_rate;
#else
#define APOLLO_ENGINE_ONLY(add) nullptr, /*needs_torch=*/true
constexpr LastRate (*kMeasure)(const ResolvedConfig&) = nullptr;
#endif

void add_plan(CLI::App* command) {
  add_plan_command(command, kMeasure);
}

constexpr Command kCommands[] = {
    {"tokenizer", add_tokenizer_command},
    {"prepare", add_prepare_command},
    {"plan", add_plan, /*needs_torch=*/false, /*torch_flag=*/"--measure"},
    {"train", APOLLO_ENGINE_ONLY(add_train_command)},
    {"eval", APOLLO_ENGINE_ONLY(add_eval_command)},
    {"score", APOLLO_ENGINE_ONLY(add_score_command)},
    {"generate", APOLLO_ENGINE_ONLY(add_generate_command)},
    {"grow", APOLLO_ENGINE_ONLY(add_grow_command)},
    {"export", APOLLO_ENGINE_ONLY(add_export_command)},
    {"finetune", APOLLO_ENGINE_ONLY(add_finetune_command)},
    {"compare", add_compare_command},
    {"report", add_report_command},
    {"suite", add_suite_command},
    {"cache", add_cache_command},
    // These two print what all commands have, and the engine alone has all.
    {"completion", APOLLO_ENGINE_ONLY(add_completion_command)},
    {"manual", APOLLO_ENGINE_ONLY(add_manual_command)},
};

#undef APOLLO_ENGINE_ONLY

}  // namespace

std::span<const Command> commands() {
  return kCommands;
}

}  // namespace apollo
