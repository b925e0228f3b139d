// apollo completion: prints a script by which a shell completes commands and flags. Everything else
// is completed as file names.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command_words.h"
#include "cli/commands.h"

namespace apollo {
namespace {

// Returns `text` in single quotes, for bash and zsh.
std::string shell_quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text)
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

// Returns `text` in single quotes, for fish, where a backslash is one everywhere.
std::string fish_quoted(std::string_view text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

// Returns the paths of all commands, quoted.
std::string paths_of(const std::vector<CommandWords>& commands, std::string_view separator) {
  std::vector<std::string> paths;
  for (const CommandWords& command : commands) {
    if (!command.path.empty()) paths.push_back(shell_quoted(command.path));
  }
  return fmt::format("{}", fmt::join(paths, separator));
}

std::vector<std::string> flag_names(const CommandWords& command) {
  std::vector<std::string> names;
  for (const FlagWords& flag : command.flags) {
    if (!flag.is_positional) names.insert(names.end(), flag.names.begin(), flag.names.end());
  }
  return names;
}

std::string bash_script(const std::vector<CommandWords>& commands) {
  std::string cases;
  for (const CommandWords& command : commands) {
    std::vector<std::string> subcommands;
    for (const SubcommandWords& sub : command.subcommands)
      subcommands.push_back(sub.name);
    cases += fmt::format("    {}) flags='{}'; commands='{}' ;;\n", shell_quoted(command.path),
                         fmt::join(flag_names(command), " "), fmt::join(subcommands, " "));
  }
  return fmt::format(R"(# bash completion of apollo. In this shell: source <(apollo completion bash)
_apollo() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} place='' flags='' commands='' i
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case "${{place:+$place }}${{COMP_WORDS[i]}}" in
    {}) place="${{place:+$place }}${{COMP_WORDS[i]}}" ;;
    esac
  done
  case $place in
{}  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$word"))
  else
    COMPREPLY=($(compgen -W "$commands" -- "$word"))
  fi
}}
complete -o bashdefault -o default -F _apollo apollo
)",
                     paths_of(commands, "|"), cases);
}

// Returns NAME:DESCRIPTION for zsh's _describe.
std::string described(std::string_view name, std::string_view description) {
  std::string text;
  for (const char c : name)
    text += c == ':' ? std::string("\\:") : std::string(1, c);
  return shell_quoted(fmt::format("{}:{}", text, description));
}

std::string zsh_script(const std::vector<CommandWords>& commands) {
  std::string cases;
  for (const CommandWords& command : commands) {
    std::vector<std::string> flags;
    std::vector<std::string> subs;
    for (const FlagWords& flag : command.flags) {
      if (flag.is_positional) continue;
      for (const std::string& name : flag.names)
        flags.push_back(described(name, flag.description));
    }
    for (const SubcommandWords& sub : command.subcommands)
      subs.push_back(described(sub.name, sub.description));
    cases += fmt::format("    {})\n      flags=({})\n      commands=({}) ;;\n",
                         shell_quoted(command.path), fmt::join(flags, "\n        "),
                         fmt::join(subs, "\n        "));
  }
  return fmt::format(R"(#compdef apollo
# zsh completion of apollo. In this shell, after compinit: source <(apollo completion zsh)
_apollo() {{
  local place='' word
  local -a flags commands
  for word in "${{(@)words[2,CURRENT-1]}}"; do
    case "${{place:+$place }}$word" in
    {}) place="${{place:+$place }}$word" ;;
    esac
  done
  case $place in
{}  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o option flags
  elif (( $#commands )); then
    _describe command commands
  else
    _files
  fi
}}
if [ "$funcstack[1]" = _apollo ]; then _apollo "$@"; else compdef _apollo apollo; fi
)",
                     paths_of(commands, "|"), cases);
}

std::string fish_script(const std::vector<CommandWords>& commands) {
  std::string script = fmt::format(R"(# fish completion of apollo: apollo completion fish | source
function __apollo_at --argument-names wanted
    set -l place ''
    for word in (commandline -opc)[2..]
        switch (string trim -- "$place $word")
            case {}
                set place (string trim -- "$place $word")
        end
    end
    test "$place" = "$wanted"
end
)",
                                   paths_of(commands, " "));
  for (const CommandWords& command : commands) {
    const std::string at = fish_quoted("__apollo_at " + shell_quoted(command.path));
    for (const SubcommandWords& sub : command.subcommands) {
      script += fmt::format("complete -c apollo -n {} -f -a {} -d {}\n", at, sub.name,
                            fish_quoted(sub.description));
    }
    for (const FlagWords& flag : command.flags) {
      if (flag.is_positional) continue;
      std::string names;
      for (const std::string& name : flag.names)
        names += name.starts_with("--") ? fmt::format(" -l {}", name.substr(2))
                                        : fmt::format(" -s {}", name.substr(1));
      script += fmt::format("complete -c apollo -n {}{}{} -d {}\n", at, names,
                            flag.value.empty() ? "" : " -r", fish_quoted(flag.description));
    }
  }
  return script;
}

}  // namespace

void add_completion_command(CLI::App* command) {
  auto shell = std::make_shared<std::string>();
  command->description("Print the script by which bash, zsh or fish completes commands and flags");
  command->add_option("SHELL", *shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "`make install` puts the scripts where the shells look for them.\n"
      "Example:\n"
      "  source <(apollo completion bash)");
  command->callback([command, shell] {
    const std::vector<CommandWords> commands = command_words(*command->get_parent());
    if (*shell == "bash") fmt::print("{}", bash_script(commands));
    if (*shell == "zsh") fmt::print("{}", zsh_script(commands));
    if (*shell == "fish") fmt::print("{}", fish_script(commands));
  });
}

}  // namespace apollo
