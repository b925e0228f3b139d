// Texts of values, and the reference of all keys.
#include "config/fields.h"

#include <cmath>

namespace apollo {

std::string toml_text(const std::string& value) {
  std::string text = "\"";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      text += fmt::format("\\u{:04x}", byte);
    } else {
      text += c;
    }
  }
  return text + '"';
}

std::string toml_text(int64_t value) {
  return fmt::format("{}", value);
}

std::string toml_text(uint64_t value) {
  return fmt::format("{}", value);
}

std::string toml_text(double value) {
  // The shortest digits that read back as the same double; a point keeps it a float in TOML.
  const std::string text = fmt::format("{}", value);
  const bool whole = std::isfinite(value) && text.find_first_of(".e") == std::string::npos;
  return whole ? text + ".0" : text;
}

std::string toml_text(const Duration& value) {
  return toml_text(to_string(value));
}

std::string toml_text(const StageSpec& value) {
  const std::string until = value.until ? fmt::format(", until = {}", toml_text(*value.until)) : "";
  const std::string depth = value.depth ? fmt::format(", depth = {}", *value.depth) : "";
  return fmt::format("{{layers = {}{}{}}}", value.layers, depth, until);
}

const std::vector<std::string>& field_paths() {
  static const std::vector<std::string> paths = [] {
    std::vector<std::string> all;
    const RunConfig defaults;
    visit_fields([&](const Field& field, const auto&) { all.push_back(field.path()); }, defaults);
    return all;
  }();
  return paths;
}

namespace {

template <class T>
std::string choices_note(const T&) {
  return "";
}

template <NamedEnum E>
std::string choices_note(const E&) {
  return " [" + enum_choices<E>() + "]";
}

template <NamedEnum E>
std::string choices_note(const std::vector<E>&) {
  return " [" + enum_choices<E>() + "]";
}

}  // namespace

std::string config_reference() {
  std::string text;
  std::string section;
  const RunConfig defaults;
  visit_fields(
      [&](const Field& field, const auto& value) {
        if (section != field.section) {
          text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", field.section);
          section = field.section;
        }
        text += fmt::format("{:<34} # {}{}\n", fmt::format("{} = {}", field.key, toml_text(value)),
                            field.help, choices_note(value));
      },
      defaults);
  return text;
}

}  // namespace apollo
