// Compares configs by the text of their values.
#include "config/config_compare.h"

#include "base/hash.h"
#include "config/fields.h"

namespace apollo {

std::string config_hash(const RunConfig& config) {
  std::string text;
  visit_fields(
      [&](const Field& field, const auto& value) {
        if (field.effect == Effect::kNone) return;
        text += field.path() + " = " + toml_text(value) + "\n";
      },
      config);
  return hash_text(text);
}

std::vector<std::string> differing_keys(const RunConfig& before, const RunConfig& after) {
  std::vector<std::string> keys;
  visit_fields(
      [&](const Field& field, const auto& old_value, const auto& new_value) {
        if (field.effect == Effect::kNone) return;
        const std::string old_text = toml_text(old_value);
        const std::string new_text = toml_text(new_value);
        if (old_text == new_text) return;
        keys.push_back(fmt::format("{}: {} -> {}", field.path(), old_text, new_text));
      },
      before, after);
  return keys;
}

}  // namespace apollo
