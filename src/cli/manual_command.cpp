// apollo manual: prints the manual page, which is made of what --help says.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command_words.h"
#include "cli/commands.h"

namespace apollo {
namespace {

// Returns `text` such that roff prints it as it is.
std::string roff(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const bool begins_line = result.empty() || result.back() == '\n';
    if (begins_line && (c == '.' || c == '\'')) result += "\\&";
    if (c == '-' || c == '\\') result += c == '-' ? "\\" : "\\e";
    if (c != '\\') result += c;
  }
  return result;
}

std::string flag_text(const FlagWords& flag) {
  std::vector<std::string> names;
  for (const std::string& name : flag.names)
    names.push_back(fmt::format("\\fB{}\\fR", roff(name)));
  const std::string value = flag.value.empty() ? "" : fmt::format(" \\fI{}\\fR", roff(flag.value));
  return fmt::format(".TP\n{}{}\n{}\n", fmt::join(names, ", "), value, roff(flag.description));
}

std::string command_text(const CommandWords& command) {
  std::string text =
      fmt::format(".SS apollo {}\n{}.\n", roff(command.path), roff(command.description));
  for (const FlagWords& flag : command.flags) {
    if (flag.names.back() != "--help") text += flag_text(flag);
  }
  // Examples keep their lines.
  if (!command.footer.empty()) text += fmt::format(".PP\n.nf\n{}\n.fi\n", roff(command.footer));
  return text;
}

constexpr std::string_view kEnd = R"(.SH EXIT STATUS
.TP
0
All went well.
.TP
1
It failed: a file, the disk, memory, or a fault of the program.
.TP
2
The command line or the config is wrong.
.TP
3
The loss became infinite or not a number.
.TP
128 + N
Signal N stopped it. A run was saved, and the same command resumes it.
.SH ENVIRONMENT
.TP
XDG_CACHE_HOME
Folder whose subfolder apollo keeps prepared texts (default: ~/.cache).
.TP
NO_COLOR
No colours on a terminal.
)";

std::string manual(const std::vector<CommandWords>& commands) {
  const CommandWords& program = commands.front();
  std::string text = fmt::format(
      ".TH APOLLO 1 \"\" \"apollo " APOLLO_VERSION
      "\" \"User Commands\"\n.SH NAME\napollo \\- train language models that grow while they "
      "train\n.SH SYNOPSIS\n.B apollo\n.I COMMAND\n[\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n{}\n"
      ".SH COMMANDS\n",
      roff(program.description));
  for (size_t i = 1; i < commands.size(); ++i) {
    if (commands[i].subcommands.empty()) text += command_text(commands[i]);
  }
  return text + std::string(kEnd);
}

}  // namespace

void add_manual_command(CLI::App* command) {
  command->description("Print the manual page");
  command->footer(
      "`make install` installs it for man.\n"
      "Example:\n"
      "  apollo manual | man -l -");
  command->callback([command] { fmt::print("{}", manual(command_words(*command->get_parent()))); });
}

}  // namespace apollo
