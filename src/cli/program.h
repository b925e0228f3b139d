// A program of subcommands, and the one place where exceptions become messages and exit codes
// (0 done, 1 failure, 2 usage or config, 3 diverged, 128 + signal after saving).
#pragma once

#include <span>

namespace CLI {
class App;
}

namespace apollo {

using AddCommand = void (*)(CLI::App& app);

// Parses the command line, runs the command that it names and returns the exit code.
int run_program(int argc, char** argv, std::span<const AddCommand> commands);

}  // namespace apollo
