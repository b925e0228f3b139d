// `apollo train TEXT`: a config that suits a text, this machine and a few minutes.
#pragma once

#include <filesystem>

namespace apollo {

struct TextRun {
  std::filesystem::path config;  // next to the run folder: RUN_DIR.toml
  std::filesystem::path run_dir;
};

// Whether the argument in place of RUN.toml is a text: anything that exists and does not end in
// .toml.
bool is_text(const std::filesystem::path& argument);

// Uses the config that an earlier call wrote, or measures how fast this machine trains and writes a
// config for `minutes`. `out` is the run folder; empty: runs/NAME, named after the text. Throws
// UsageError if `text` is a run folder or an existing config is for another text, and whatever
// measuring throws.
TextRun plan_text_run(const std::filesystem::path& text, const std::filesystem::path& out,
                      double minutes);

}  // namespace apollo
