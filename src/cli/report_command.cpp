// `apollo report`: one run as an HTML page.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "report/page.h"

namespace apollo {

void add_report_command(CLI::App* command) {
  struct Options {
    std::string run;
    std::string out;
  };
  auto options = std::make_shared<Options>();
  command->description("Write one run as an HTML page with charts");
  command->add_option("run", options->run, "run folder")->type_name("RUN")->required();
  command->add_option("--out", options->out, "page to write (default: RUN/report.html)")
      ->type_name("FILE");
  command->footer(
      "Example:\n"
      "  apollo report runs/apollo");
  command->callback(
      [options] { fmt::print("{}\n", write_run_report(options->run, options->out).string()); });
}

}  // namespace apollo
