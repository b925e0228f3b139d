#include "cli/program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/memory_reserve.h"
#include "base/printable.h"
#include "base/spelling.h"
#include "base/standard_streams.h"
#include "base/stop_signal.h"
#include "cli/commit.h"

namespace apollo {
namespace {

constexpr int kFailure = 1;
constexpr int kUsage = 2;
constexpr int kDiverged = 3;

void print_error(std::string_view message) {
  show_status("");
  fmt::print(stderr, "apollo: error: {}\n", printable_lines(message));
}

// Returns the subcommand to which the words led, down to its own subcommands.
const CLI::App& parsed_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : parsed_command(*chosen.front());
}

// Returns words that could replace `word`: flags, or commands.
std::vector<std::string> known_words(const CLI::App& command, const std::string& word) {
  std::vector<std::string> words;
  if (word.starts_with("-")) {
    for (const CLI::Option* option : command.get_options()) {
      for (const std::string& name : option->get_lnames())
        words.push_back("--" + name);
    }
  } else {
    for (const CLI::App* sub : command.get_subcommands(nullptr))
      words.push_back(sub->get_name());
  }
  return words;
}

// Returns a word that nothing took. A flag comes first, because it may have misled the others.
std::string unknown_word(const CLI::App& command) {
  const std::vector<std::string> rest = command.remaining(/*recurse=*/true);
  const auto flag = std::find_if(rest.begin(), rest.end(),
                                 [](const std::string& word) { return word.starts_with("-"); });
  if (flag != rest.end()) return *flag;
  return rest.empty() ? "" : rest.front();
}

int report_usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = parsed_command(app);
  std::string message = error.what();
  if (const std::string word = unknown_word(command); !word.empty()) {
    message = fmt::format("'{}' is not known here", word);
    const std::string hint = did_you_mean(word, known_words(command, word));
    if (!hint.empty()) message += "; " + hint;
  }
  std::string name = command.get_name();
  for (const CLI::App* parent = command.get_parent(); parent != nullptr;
       parent = parent->get_parent()) {
    name = parent->get_name() + " " + name;
  }
  print_error(fmt::format("{}\n  hint: {} --help", message, name));
  return kUsage;
}

// Returns what the system refused, worded like our own messages.
std::string message_of(const std::filesystem::filesystem_error& error) {
  std::string paths = error.path1().string();
  if (!error.path2().empty()) paths += " -> " + error.path2().string();
  return fmt::format("{}: {}", paths, error.code().message());
}

std::string message_of(const std::system_error& error) {
  if (error.code() == std::errc::resource_unavailable_try_again) {
    return "the system gives no more threads (hint: fewer run.threads or --threads, or a larger "
           "`ulimit -u`)";
  }
  return error.code().message();
}

// Messages of the standard library and of the JSON library name neither file nor key. If they come
// this far, the fault is in Apollo.
bool is_fault_of_ours(const std::exception& error) {
  return dynamic_cast<const std::logic_error*>(&error) != nullptr ||
         dynamic_cast<const std::bad_optional_access*>(&error) != nullptr ||
         dynamic_cast<const std::bad_variant_access*>(&error) != nullptr ||
         dynamic_cast<const nlohmann::detail::exception*>(&error) != nullptr;
}

// LibTorch's errors contain a backtrace, which does not help a user.
std::string message_of(const std::exception& error) {
  const std::string message = error.what();
  if (is_fault_of_ours(error)) {
    return fmt::format("internal error: {} (hint: please report it with the command)", message);
  }
  const size_t backtrace = message.find("\nException raised from ");
  const bool wants_backtrace = std::getenv("APOLLO_BACKTRACE") != nullptr;
  return wants_backtrace ? message : message.substr(0, backtrace);
}

std::string version_text() {
  const std::string_view commit = APOLLO_COMMIT;
  return fmt::format("apollo " APOLLO_VERSION " ({}{}for LibTorch " APOLLO_TORCH_VERSION ")",
                     commit, commit.empty() ? "" : ", ");
}

// "-" is stdin, and only text comes from there: a config, a model or a run is never read from it,
// and no word means a file of that name.
void refuse_stdin(CLI::App& command) {
  constexpr std::array kTexts = {"FILE", "files", "file"};  // and what is written goes to stdout
  constexpr std::array kFolders = {"--from", "--tokenizer", "--baseline", "--frontier"};
  const auto check = [](const std::string& word) {
    return word == "-" ? std::string(
                             "'-' is stdin, and only text is read from there (hint: './-' is a "
                             "file of that name)")
                       : std::string();
  };
  for (CLI::Option* option : command.get_options()) {
    const std::string name = option->get_name(/*positional=*/option->get_positional());
    const bool is_text = name == "OUT" || std::ranges::find(kTexts, name) != kTexts.end();
    const bool is_folder = std::ranges::find(kFolders, name) != kFolders.end();
    if ((option->get_positional() && !is_text) || is_folder) option->check(check, "", "");
  }
  for (CLI::App* sub : command.get_subcommands(nullptr))
    refuse_stdin(*sub);
}

int run(int argc, char** argv, std::span<const Command> commands) {
  CLI::App app{
      "Trains GPT, Llama, Qwen3, BERT and ModernBERT language models that grow while they train.",
      "apollo"};
  app.set_version_flag("--version", version_text());
  app.require_subcommand(1);
  app.footer("Each command has its own help: apollo train --help");
  for (const Command& command : commands) {
    if (command.add != nullptr) command.add(app.add_subcommand(std::string(command.name)));
  }
  refuse_stdin(app);
  install_stop_handlers();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return report_usage_error(app, error);
  }
  return 0;
}

}  // namespace

int run_program(int argc, char** argv, std::span<const Command> commands) {
  keep_memory_reserve();
  try {
    const int code = run(argc, argv, commands);
    finish_stdout();
    return code;
  } catch (const Interrupted& stop) {
    show_status("");
    fmt::print(stderr, "apollo: {}\n", stop.what());
    return 128 + stop.signal();
  } catch (const ConfigError& error) {
    show_status("");
    fmt::print(stderr, "{}\n", printable_lines(error.what()));
    return kUsage;
  } catch (const UsageError& error) {
    print_error(error.what());
    return kUsage;
  } catch (const RankFailed& error) {
    print_error(error.what());
    return error.code();
  } catch (const DivergedError& error) {
    print_error(error.what());
    return kDiverged;
  } catch (const std::bad_alloc&) {
    print_error("out of memory; hint: a smaller train.micro_batch_size");
    return kFailure;
  } catch (const std::filesystem::filesystem_error& error) {
    print_error(message_of(error));
    return kFailure;
  } catch (const std::system_error& error) {
    print_error(message_of(error));
    return kFailure;
  } catch (const std::exception& error) {
    print_error(message_of(error));
    return kFailure;
  }
}

}  // namespace apollo
