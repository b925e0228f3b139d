// `apollo train TEXT`: the config that a text, this machine and some minutes are good for.
#pragma once

#include <filesystem>

namespace apollo {

struct TextRun {
  std::filesystem::path config;  // beside the run folder: RUN_DIR.toml
  std::filesystem::path run_dir;
};

// Whether what stands in the place of RUN.toml is a text: anything that is there and does not end
// in .toml.
bool is_text(const std::filesystem::path& argument);

// Takes the config that an earlier call wrote, or measures how fast this machine trains and writes
// one for `minutes`. `out`: the run folder; empty: runs/NAME after the text's name. Throws
// UsageError where `text` is a run folder or the config that is there is for another text, and what
// measuring throws.
TextRun plan_text_run(const std::filesystem::path& text, const std::filesystem::path& out,
                      double minutes);

}  // namespace apollo
