// Loads a config from text, as the tests write it.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "config/toml_io.h"
#include "support/temp_dir.h"

namespace apollo {

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

inline ResolvedConfig load_text(const std::string& text,
                                const std::vector<std::string>& overrides = {}) {
  const TempDir dir;
  write_text(dir / "run.toml", text);
  return load_run_config(dir / "run.toml", overrides);
}

// Returns what the user sees, without the file's folder; "" if there is no error.
inline std::string load_error(const std::string& text,
                              const std::vector<std::string>& overrides = {}) {
  const TempDir dir;
  write_text(dir / "run.toml", text);
  try {
    load_run_config(dir / "run.toml", overrides);
  } catch (const ConfigError& error) {
    std::string message = error.what();
    const std::string folder = dir.path().string() + "/";
    for (size_t at; (at = message.find(folder)) != std::string::npos;) {
      message.erase(at, folder.size());
    }
    return message;
  }
  return "";
}

}  // namespace apollo
