// Parses TOML that others wrote, and refuses what its library cannot take.
#pragma once

#include <toml++/toml.h>

#include <filesystem>
#include <string>

namespace apollo {

// Throws ConfigError if there is no file, if it is not a regular file, or if its name is not UTF-8:
// all files that Apollo writes are UTF-8 and contain the name.
void require_toml_file(const std::filesystem::path& path);

// Throws ConfigError with file:line:col if `text` is not TOML or a key has more than 20 parts
// ("a.b.c" has three). The library recurses once per part, and 50,000 parts overflow the stack.
toml::table parse_toml(const std::string& text, const std::string& file);

}  // namespace apollo
