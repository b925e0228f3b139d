// The words of the command line as a flat list, for what is made of all of them: the manual page
// and the completion of shells.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace apollo {

struct FlagWords {
  std::vector<std::string> names;  // "-h", "--help"
  std::string description;
  std::string value;  // what follows it, "FLOAT"; empty: nothing
  bool is_positional = false;
};

struct SubcommandWords {
  std::string name;
  std::string description;
};

struct CommandWords {
  std::string path;  // without "apollo": "tokenizer train"; empty: the program itself
  std::string description;
  std::string footer;
  std::vector<SubcommandWords> subcommands;
  std::vector<FlagWords> flags;  // and positionals, in the order of --help
};

// Returns the program and its commands, each before its subcommands, in the order of --help.
std::vector<CommandWords> command_words(const CLI::App& program);

}  // namespace apollo
