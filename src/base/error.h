// The exceptions of Apollo. A message says where it happened, what was expected and what was found,
// and gives a hint if there is one. It is lower case and quotes values. Only main() catches.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace apollo {

// The base of everything that Apollo throws on purpose. Exit code 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A text, dataset or tokenizer that cannot be used.
class DataError : public Error {
 public:
  using Error::Error;
};

// A checkpoint that is damaged, incomplete or of another kind than expected.
class CheckpointError : public Error {
 public:
  using Error::Error;
};

// A loss or gradient that is not finite; nothing was updated. Exit code 3.
class DivergedError : public Error {
 public:
  using Error::Error;
};

// A wrong call of the program. Exit code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

// One fault in a config. `where` is "file:line:col", "--set" or a key.
struct Diagnostic {
  std::string where;
  std::string message;
  std::string hint;
};

// All faults of a config at once. Exit code 2.
class ConfigError : public Error {
 public:
  explicit ConfigError(std::vector<Diagnostic> diagnostics);
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }

 private:
  std::vector<Diagnostic> diagnostics_;
};

// A signal asked the program to stop; the state was saved. Exit code 128 + signal.
class Interrupted : public Error {
 public:
  explicit Interrupted(int signal);
  int signal() const { return signal_; }

 private:
  int signal_;
};

// Throws E with a formatted message: fail<DataError>("{}: file is empty", path).
template <class E, class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw E(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace apollo
