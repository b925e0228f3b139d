// Another program as a child of this one: started, looked after, told to stop.
//
// Each child has a process group of its own, so that Ctrl-C in a terminal reaches it once, from
// here: a second signal of the same kind would end it without saving. Where this program is killed,
// the system sends the child SIGTERM, and it saves.
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
    std::filesystem::path log;             // both its streams are appended to it; empty: ours
    std::vector<std::string> environment;  // "NAME=value", beside ours
  };

  // Runs words[0] with the others as its arguments. Throws Error where that cannot be. Only for a
  // process of one thread.
  Child(const std::vector<std::string>& words, const Options& options);
  // Ends the child at once, if it still runs.
  ~Child();
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;

  // Its exit code once it has ended: as a shell has it, 128 + signal where a signal ended it.
  std::optional<int> poll();
  void signal(int number) const;

 private:
  pid_t pid_ = -1;  // -1: ended
};

}  // namespace apollo
