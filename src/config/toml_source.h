// The source of a config: a file, or text that is in no file.
#pragma once

#include <concepts>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

namespace apollo {

struct TomlSource {
  // A path converts to a source.
  template <std::convertible_to<std::filesystem::path> Path>
  TomlSource(const Path& path) : file(path) {}
  // `name` is how messages call the text. Relative paths in it start from the current folder.
  TomlSource(const std::string& name, std::string content) : file(name), text(std::move(content)) {}

  // Throws ConfigError if the file does not exist.
  std::string read() const;

  std::filesystem::path file;
  std::optional<std::string> text;  // nothing: read the file
};

}  // namespace apollo
