// A program of subcommands, and the only place where exceptions become messages and exit codes (0
// done, 1 failure, 2 usage or config, 3 diverged, 128 + signal after saving).
#pragma once

#include <span>
#include <string>

#include "base/error.h"
#include "cli/commands.h"

namespace apollo {

// A process that this one started has failed and said why; `code` is its exit code.
class RankFailed : public Error {
 public:
  RankFailed(const std::string& message, int code) : Error(message), code_(code) {}
  int code() const { return code_; }

 private:
  int code_;
};

// Parses the command line, runs the command that it names among those of this program, and returns
// the exit code.
int run_program(int argc, char** argv, std::span<const Command> commands);

}  // namespace apollo
