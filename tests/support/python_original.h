// Runs the Python originals (torch, transformers, safetensors) with which tests compare, from
// committed scripts in the project's own venv. Without the venv a test is skipped and says why.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "support/temp_dir.h"

namespace apollo {

inline std::filesystem::path venv_python() {
  return std::filesystem::path(APOLLO_SOURCE_DIR) / ".venv/bin/python";
}

inline bool has_venv_python() {
  return std::filesystem::exists(venv_python());
}

// Returns the folder of example data: beside the checkout, or what APOLLO_DATA names.
inline std::filesystem::path example_data() {
  const char* given = std::getenv("APOLLO_DATA");
  return given != nullptr ? std::filesystem::path(given)
                          : std::filesystem::path(APOLLO_SOURCE_DIR) / "../shared/data";
}

// Runs `script` (relative to the root of the repository) with `arguments` (words of a shell) and
// returns its output; throws with all of the output if the script fails.
inline std::string run_python(const std::string& script, const std::string& arguments) {
  const TempDir temp;
  const std::filesystem::path output = temp / "output";
  const std::string command = "OMP_NUM_THREADS=1 '" + venv_python().string() + "' '" +
                              APOLLO_SOURCE_DIR "/" + script + "' " + arguments + " > '" +
                              output.string() + "' 2>&1";
  const int status = std::system(command.c_str());
  std::ifstream stream(output);
  std::string text((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
  if (status != 0) throw std::runtime_error(script + " " + arguments + " failed:\n" + text);
  return text;
}

}  // namespace apollo

#define APOLLO_SKIP_WITHOUT_PYTHON()                                         \
  if (!apollo::has_venv_python()) {                                          \
    GTEST_SKIP() << apollo::venv_python() << " is absent: run `make setup`"; \
  }
