// apollo export: turns a model that shares layers into a plain one that does not.
#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/log.h"
#include "cli/commands.h"
#include "cli/number_checks.h"
#include "infer/grow_folder.h"

namespace apollo {
namespace {

struct ExportArguments {
  std::string checkpoint;
  std::string out;
  int64_t depth = 0;
};

}  // namespace

void add_export_command(CLI::App* command) {
  auto arguments = std::make_shared<ExportArguments>();
  command->description(
      "Write a plain Hugging Face folder, with a layer of its own for every block");
  command->add_option("CHECKPOINT", arguments->checkpoint, "checkpoint, run or Hugging Face folder")
      ->required();
  command->add_option("OUT", arguments->out, "new folder")->required();
  command->add_option("--depth", arguments->depth, "layers to write (default: the final depth)")
      ->check(above_zero());
  command->footer(
      "Example:\n"
      "  apollo export runs/demo/checkpoints/step-00000500 demo-12 --depth 12");
  command->callback([arguments] {
    export_folder(arguments->checkpoint, arguments->out, arguments->depth);
    log_info("wrote {}", arguments->out);
  });
}

}  // namespace apollo
