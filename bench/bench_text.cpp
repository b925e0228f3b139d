// `apollo tokenizer` and `apollo prepare` in a program without LibTorch, whose loading alone takes
// more memory than they do: what the text libraries by themselves need.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <exception>

#include "cli/commands.h"

int main(int argc, char** argv) {
  CLI::App app{"apollo tokenizer and apollo prepare, without LibTorch"};
  app.require_subcommand(0, 1);
  apollo::add_tokenizer_command(app);
  apollo::add_prepare_command(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::Error& error) {
    return app.exit(error);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_text: error: {}\n", error.what());
    return 1;
  }
}
