// Starts another program as a child process, watches it and can tell it to stop.
//
// Each child has a process group of its own, so that Ctrl-C in a terminal reaches it only once,
// from here. A second signal of the same kind would end it without saving. If this program is
// killed, the system sends the child SIGTERM, and it saves.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace apollo {

class Child {
 public:
  struct Options {
    std::filesystem::path log;             // its output is appended here; empty: it uses ours
    std::vector<std::string> environment;  // "NAME=value", in addition to ours
  };

  // Runs words[0] with the others as its arguments. Throws Error if that fails. Only for a process
  // with a single thread.
  Child(const std::vector<std::string>& words, const Options& options);
  // Ends the child at once if it still runs.
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;

  // Returns its exit code once it has ended: 128 + signal if a signal ended it, as in a shell.
  std::optional<int> poll();
  void signal(int number) const;

 private:
  pid_t pid_ = -1;  // -1: ended
};

}  // namespace apollo
