// Reading: unknown sections and keys first, then every field through the one visitor, from an
// override where there is one, else from the file.
#include "config/toml_io.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "base/file.h"
#include "base/units.h"
#include "config/fields.h"
#include "config/toml_reader.h"
#include "config/validate.h"

namespace apollo {

namespace {

std::vector<std::string> sections() {
  std::vector<std::string> names;
  for (const std::string& path : field_paths()) {
    const std::string name = path.substr(0, path.find('.'));
    if (names.empty() || names.back() != name) names.push_back(name);
  }
  return names;
}

std::vector<std::string> keys_of(const std::string& section) {
  std::vector<std::string> keys;
  for (const std::string& path : field_paths()) {
    if (path.starts_with(section + ".")) keys.push_back(path.substr(section.size() + 1));
  }
  return keys;
}

bool is_field(const std::string& path) {
  const std::vector<std::string>& paths = field_paths();
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

// Where the key would be known: "'lr' is a key of [train]".
std::string other_section_hint(const std::string& key) {
  std::string owners;
  for (const std::string& section : sections()) {
    if (!is_field(section + "." + key)) continue;
    owners += fmt::format("{}[{}]", owners.empty() ? "" : ", ", section);
  }
  return owners.empty() ? "" : fmt::format("'{}' is a key of {}", key, owners);
}

std::string key_hint(const std::string& section, const std::string& key) {
  const std::string nearest = nearest_name(key, keys_of(section));
  if (!nearest.empty()) return fmt::format("did you mean '{}'?", nearest);
  return other_section_hint(key);
}

void check_names(const toml::table& root, const std::string& file,
                 std::vector<Diagnostic>& faults) {
  const std::vector<std::string> known = sections();
  for (const auto& [section_key, section] : root) {
    const std::string name(section_key.str());
    const std::string where = position(file, section_key.source());
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      const std::string nearest = nearest_name(name, known);
      std::string hint = section.is_table() ? "" : other_section_hint(name);
      if (!nearest.empty()) hint = fmt::format("did you mean '{}'?", nearest);
      const std::string message = section.is_table()
                                      ? fmt::format("unknown section [{}]", name)
                                      : fmt::format("unknown key '{}' outside a section", name);
      faults.push_back({where, message, hint});
      continue;
    }
    const toml::table* table = section.as_table();
    if (table == nullptr) {
      faults.push_back({where, fmt::format("'{}' must be a section", name),
                        fmt::format("write [{}] on a line of its own", name)});
      continue;
    }
    for (const auto& [key, value] : *table) {
      const std::string key_name(key.str());
      if (is_field(name + "." + key_name)) continue;
      faults.push_back({position(file, key.source()),
                        fmt::format("unknown key '{}' in [{}]", key_name, name),
                        key_hint(name, key_name)});
    }
  }
}

// Nothing where the file is not TOML.
std::optional<toml::table> parse_file(const std::filesystem::path& path,
                                      std::vector<Diagnostic>& faults) {
  if (!std::filesystem::is_regular_file(path)) {
    throw ConfigError({{path.string(), "there is no such file", ""}});
  }
  try {
    return toml::parse(read_file(path), path.string());
  } catch (const toml::parse_error& error) {
    faults.push_back(
        {position(path.string(), error.source()), std::string(error.description()), ""});
    return std::nullopt;
  }
}

using Overrides = std::map<std::string, std::string>;

Overrides split_overrides(const std::vector<std::string>& texts, std::vector<Diagnostic>& faults) {
  Overrides overrides;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) {
      faults.push_back({"--set", fmt::format("expected key=value (got '{}')", text),
                        "for example --set train.lr=1e-3"});
      continue;
    }
    const std::string path = text.substr(0, equals);
    if (!is_field(path)) {
      std::string hint = other_section_hint(path);
      const std::string nearest = nearest_name(path, field_paths());
      if (!nearest.empty()) hint = fmt::format("did you mean '{}'?", nearest);
      faults.push_back({"--set", fmt::format("unknown key '{}'", path), hint});
      continue;
    }
    overrides[path] = text.substr(equals + 1);
  }
  return overrides;
}

template <class T>
inline constexpr bool kIsText =
    std::is_same_v<T, std::string> || std::is_same_v<T, Duration> || std::is_enum_v<T>;

// An override's value as a one-key table: TOML where it is, bare text else.
template <class T>
toml::table parse_override(const std::string& text) {
  toml::table bare;
  bare.insert("value", text);
  try {
    toml::table parsed = toml::parse("value = " + text);
    const bool wanted = parsed.size() == 1 && (!kIsText<T> || parsed["value"].is_string());
    return wanted ? parsed : bare;
  } catch (const toml::parse_error&) {
    return bare;
  }
}

std::filesystem::path absolute_base_dir(const ResolvedConfig& resolved) {
  const std::filesystem::path folder =
      std::filesystem::absolute(resolved.file).lexically_normal().parent_path();
  const std::filesystem::path relative = resolved.config.data.base_dir;
  return relative.empty() ? folder : (folder / relative).lexically_normal();
}

}  // namespace

ResolvedConfig read_run_config(const std::filesystem::path& path,
                               const std::vector<std::string>& overrides,
                               std::vector<Diagnostic>& faults) {
  ResolvedConfig resolved;
  resolved.file = path;
  const std::string file = path.string();
  const std::optional<toml::table> parsed = parse_file(path, faults);
  const toml::table none;
  const toml::table& root = parsed ? *parsed : none;  // a copy would lose the positions
  check_names(root, file, faults);
  const Overrides set = split_overrides(overrides, faults);

  visit_fields(
      [&]<class T>(const Field& field, T& value) {
        const std::string key = field.path();
        const toml::node* node = root[field.section][field.key].node();
        const auto override = set.find(key);
        toml::table from_override;
        if (override != set.end()) {
          from_override = parse_override<T>(override->second);
          node = from_override.get("value");
        }
        if (node == nullptr && !parsed) resolved.unreadable.insert(key);
        if (node == nullptr) return;
        const std::string source = override != set.end() ? "" : file;
        ValueReader reader{source, key, faults, resolved.origins};
        if (reader.read(*node, value)) {
          resolved.origins[key] = position(source, node->source());
        } else {
          resolved.unreadable.insert(key);
        }
      },
      resolved.config);

  resolved.base_dir = absolute_base_dir(resolved);
  resolved.config.data.base_dir = resolved.base_dir.string();
  return resolved;
}

ResolvedConfig load_run_config(const std::filesystem::path& path,
                               const std::vector<std::string>& overrides) {
  std::vector<Diagnostic> faults;
  ResolvedConfig resolved = read_run_config(path, overrides, faults);
  const std::vector<Diagnostic> more = validate(resolved);
  faults.insert(faults.end(), more.begin(), more.end());
  throw_if_any(std::move(faults), resolved);
  return resolved;
}

std::string to_toml(const ResolvedConfig& resolved) {
  std::string text = "# The resolved config: every key, and where its value came from.\n";
  std::string section;
  visit_fields(
      [&](const Field& field, const auto& value) {
        if (section != field.section) text += fmt::format("\n[{}]\n", field.section);
        section = field.section;
        const auto origin = resolved.origins.find(field.path());
        text += fmt::format("{:<36} # {}\n", fmt::format("{} = {}", field.key, toml_text(value)),
                            origin == resolved.origins.end() ? "default" : origin->second);
      },
      resolved.config);
  return text;
}

}  // namespace apollo
