#include "config/toml_document.h"

#include <algorithm>
#include <utility>

#include "base/file.h"
#include "base/spelling.h"
#include "config/key_hints.h"
#include "config/parse_toml.h"

namespace apollo {

std::string TomlSource::read() const {
  if (text) return *text;
  require_toml_file(file);
  return read_file(file);
}

TomlDocument::TomlDocument(const TomlSource& source, const std::vector<std::string>& overrides,
                           std::vector<std::string> keys, const std::string& example,
                           std::vector<Diagnostic>& faults)
    : file_(source.file.string()), keys_(std::move(keys)) {
  const std::string text = source.read();
  try {
    root_ = parse_toml(text, file_);
    check_sections(faults);
  } catch (const ConfigError& error) {
    faults.insert(faults.end(), error.diagnostics().begin(), error.diagnostics().end());
  }
  split_overrides(overrides, example, faults);
}

std::vector<std::string> TomlDocument::sections() const {
  std::vector<std::string> names;
  for (const std::string& path : keys_) {
    const std::string name = path.substr(0, path.find('.'));
    if (names.empty() || names.back() != name) names.push_back(name);
  }
  return names;
}

std::vector<std::string> TomlDocument::keys_of(const std::string& section) const {
  std::vector<std::string> keys;
  for (const std::string& path : keys_) {
    if (path.starts_with(section + ".")) keys.push_back(path.substr(section.size() + 1));
  }
  return keys;
}

bool TomlDocument::is_key(const std::string& path) const {
  return std::find(keys_.begin(), keys_.end(), path) != keys_.end();
}

std::string TomlDocument::other_section_hint(const std::string& key) const {
  std::string owners;
  for (const std::string& section : sections()) {
    if (!is_key(section + "." + key)) continue;
    owners += fmt::format("{}[{}]", owners.empty() ? "" : ", ", section);
  }
  return owners.empty() ? "" : fmt::format("'{}' is a key of {}", key, owners);
}

std::string TomlDocument::key_hint(const std::string& section, const std::string& key) const {
  return own_key_hint(key).value_or(did_you_mean(key, keys_of(section), other_section_hint(key)));
}

// For a name that other programs use for one of these keys.
std::optional<std::string> TomlDocument::own_key_hint(const std::string& key) const {
  const std::string own(own_key_for(key));
  if (!is_key(own)) return std::nullopt;
  return fmt::format("use {}", own);
}

Diagnostic TomlDocument::unknown_key(const std::string& where, const std::string& path,
                                     const std::string& message, const std::string& hint) {
  const std::optional<std::string> removal = removal_of(path);
  if (removal) return {where, fmt::format("key '{}' was removed", path), *removal};
  return {where, message, hint};
}

void TomlDocument::check_sections(std::vector<Diagnostic>& faults) const {
  const std::vector<std::string> known = sections();
  for (const auto& [section_key, section] : *root_) {
    const std::string name(section_key.str());
    const std::string where = position(file_, section_key.source());
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string hint =
          did_you_mean(name, known, section.is_table() ? "" : other_section_hint(name));
      const std::string message = section.is_table()
                                      ? fmt::format("unknown section [{}]", name)
                                      : fmt::format("unknown key '{}' outside a section", name);
      faults.push_back({where, message, own_key_hint(name).value_or(hint)});
    } else if (const toml::table* table = section.as_table()) {
      check_keys(name, *table, faults);
    } else {
      faults.push_back({where, fmt::format("'{}' must be a section", name),
                        fmt::format("write [{}] on a line of its own", name)});
    }
  }
}

void TomlDocument::check_keys(const std::string& section, const toml::table& table,
                              std::vector<Diagnostic>& faults) const {
  for (const auto& [key, value] : table) {
    const std::string name(key.str());
    if (is_key(section + "." + name)) continue;
    faults.push_back(unknown_key(position(file_, key.source()), section + "." + name,
                                 fmt::format("unknown key '{}' in [{}]", name, section),
                                 key_hint(section, name)));
  }
}

void TomlDocument::split_overrides(const std::vector<std::string>& texts,
                                   const std::string& example, std::vector<Diagnostic>& faults) {
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) {
      faults.push_back({"--set", fmt::format("expected key=value (got '{}')", text),
                        "for example --set " + example});
      continue;
    }
    const std::string path = text.substr(0, equals);
    if (!is_key(path)) {
      const std::string name = path.substr(path.rfind('.') + 1);
      const std::string nearest = did_you_mean(path, keys_, other_section_hint(path));
      faults.push_back(unknown_key("--set", path, fmt::format("unknown key '{}'", path),
                                   own_key_hint(name).value_or(nearest)));
      continue;
    }
    overrides_[path] = text.substr(equals + 1);
  }
}

toml::table TomlDocument::parse_override(const std::string& text, bool is_text) {
  toml::table bare;
  bare.insert("value", text);
  try {
    toml::table parsed = parse_toml("value = " + text, "");
    const bool wanted = parsed.size() == 1 && (!is_text || parsed["value"].is_string());
    return wanted ? parsed : bare;
  } catch (const ConfigError&) {
    return bare;
  }
}

}  // namespace apollo
