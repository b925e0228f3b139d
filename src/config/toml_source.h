// Where a config comes from: a file, or text that stands in none.
#pragma once

#include <concepts>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

namespace apollo {

struct TomlSource {
  // A path is a source.
  template <std::convertible_to<std::filesystem::path> Path>
  TomlSource(const Path& path) : file(path) {}
  // `name`: what messages call the text. Relative paths in it start from the current folder.
  TomlSource(const std::string& name, std::string content) : file(name), text(std::move(content)) {}

  // Throws ConfigError where there is no such file.
  std::string read() const;

  std::filesystem::path file;
  std::optional<std::string> text;  // nothing: what the file holds
};

}  // namespace apollo
