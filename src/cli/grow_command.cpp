// apollo grow: makes a deeper model from a trained one, offline.
#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/number_checks.h"
#include "config/enum_names.h"
#include "infer/grow_folder.h"

namespace apollo {
namespace {

struct GrowArguments {
  std::string checkpoint;
  std::string out;
  int64_t layers = 0;
  std::string map;
  int64_t width = 0;
  std::string width_map;
};

WidthRule parse_width_map(const std::string& name) {
  if (name.empty() || name == "fpi") return WidthRule::kFpi;
  if (name == "aki") return WidthRule::kAki;
  fail<UsageError>("--width-map must be one of 'fpi', 'aki' (got '{}')", name);
}

void grow(const GrowArguments& arguments) {
  std::optional<LayerMapKind> kind;
  if (!arguments.map.empty()) kind = parse_enum<LayerMapKind>(arguments.map, "--map");
  std::optional<WiderFolder> wider;
  if (arguments.width > 0) wider = {arguments.width, parse_width_map(arguments.width_map)};
  if (arguments.width == 0 && !arguments.width_map.empty()) {
    throw UsageError("--width-map says how the width grows: it needs --width");
  }
  grow_folder(arguments.checkpoint, arguments.out, arguments.layers, kind, wider);
  log_info("wrote {} with {} layers", arguments.out, arguments.layers);
}

}  // namespace

void add_grow_command(CLI::App* command) {
  auto arguments = std::make_shared<GrowArguments>();
  command->description(
      "Grow any Hugging Face GPT-2, BERT, ModernBERT, Llama or Qwen3 folder to more layers, "
      "offline");
  command->add_option("CHECKPOINT", arguments->checkpoint, "checkpoint, run or Hugging Face folder")
      ->required();
  command->add_option("OUT", arguments->out, "new folder")->required();
  command->add_option("--layers", arguments->layers, "layers of the grown model")
      ->check(above_zero())
      ->required();
  command->add_option(
      "--map", arguments->map,
      "interpolate (0 0 1 1 2 2), stack (0 1 2 0 1 2), middle_block (0 1 2 3 2 3 4 5) or "
      "middle (0 1 2 1 2 3); default: the checkpoint's, else interpolate");
  command
      ->add_option("--width", arguments->width,
                   "width of the grown model; heads keep their size and grow in number")
      ->check(above_zero());
  command->add_option(
      "--width-map", arguments->width_map,
      "fpi (keeps the function where the old width divides the new one) or aki (takes "
      "new neurons from the layer above); default: fpi");
  command->footer(
      "Where the old number of layers divides the new one, the maps interpolate and stack keep "
      "the\n"
      "function: at every depth from the new number on, the grown model computes what the old one\n"
      "computes with shared layers. A warning says where the function changes.\n"
      "Example:\n"
      "  apollo grow runs/small/checkpoints/latest grown --layers 12 --map interpolate");
  command->callback([arguments] { grow(*arguments); });
}

}  // namespace apollo
