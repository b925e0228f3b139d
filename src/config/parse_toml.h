// TOML that others wrote, past what its library cannot take.
#pragma once

#include <toml++/toml.h>

#include <filesystem>
#include <string>

namespace apollo {

// Throws ConfigError where there is no file, or something else than one, or its name is not UTF-8,
// which all files that Apollo writes are and which name it.
void require_toml_file(const std::filesystem::path& path);

// Throws ConfigError with file:line:col where `text` is no TOML, or a key has more than 20 parts
// ("a.b.c" has three): the library goes down one call for each, and 50,000 overflow the stack.
toml::table parse_toml(const std::string& text, const std::string& file);

}  // namespace apollo
