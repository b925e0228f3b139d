#include "cli/command_words.h"

#include <CLI/CLI.hpp>

namespace apollo {
namespace {

FlagWords words_of(const CLI::Option& option) {
  FlagWords words;
  words.description = option.get_description();
  words.is_positional = option.get_positional();
  if (words.is_positional) {
    words.names = {option.get_name(/*positional=*/true)};
    return words;
  }
  for (const std::string& name : option.get_snames())
    words.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames())
    words.names.push_back("--" + name);
  if (option.get_items_expected_max() > 0) words.value = option.get_type_name();
  return words;
}

void collect(const CLI::App& command, const std::string& path, std::vector<CommandWords>& all) {
  CommandWords words{path, command.get_description(), command.get_footer(), {}, {}};
  // Positionals first, as --help has them.
  for (const bool positional : {true, false}) {
    for (const CLI::Option* option : command.get_options()) {
      if (option->get_positional() == positional) words.flags.push_back(words_of(*option));
    }
  }
  const auto subcommands = command.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* sub : subcommands)
    words.subcommands.push_back({sub->get_name(), sub->get_description()});
  all.push_back(std::move(words));
  for (const CLI::App* sub : subcommands)
    collect(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name(), all);
}

}  // namespace

std::vector<CommandWords> command_words(const CLI::App& program) {
  std::vector<CommandWords> all;
  collect(program, "", all);
  return all;
}

}  // namespace apollo
