// A TOML file of sections with known keys, and overrides of these keys, on the way into a typed
// struct. RUN.toml and TASK.toml share this code. Names are checked at once; values are read field
// by field when a visitor (fields.h) comes by.
#pragma once

#include <toml++/toml.h>

#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "config/fields.h"
#include "config/toml_reader.h"
#include "config/toml_source.h"

namespace apollo {

enum class FieldOutcome { kAbsent, kRead, kRejected };

class TomlDocument {
 public:
  // `keys`: all known keys as paths ("train.lr"), those of one section together. `overrides`:
  // entries like "train.lr=1e-3" with a TOML value, or with bare text if the key takes text.
  // `example` is such an entry, for hints. Adds a fault for text that is not TOML, for unknown
  // sections and keys (with the nearest known one) and for malformed overrides. Throws ConfigError
  // if there is no file.
  TomlDocument(const TomlSource& source, const std::vector<std::string>& overrides,
               std::vector<std::string> keys, const std::string& example,
               std::vector<Diagnostic>& faults);
  TomlDocument(const TomlDocument&) = delete;  // a copied table loses its positions
  TomlDocument& operator=(const TomlDocument&) = delete;

  // Whether the file is TOML.
  bool is_sound() const { return root_.has_value(); }

  // Reads the value of a field from its override if there is one, else from the file. Its place
  // goes into `origins`. If `read` (ValueReader&, node, T&) refuses a value, it has added the fault
  // itself.
  template <class T, class Read>
  FieldOutcome read(const Field& field, T& value, std::map<std::string, std::string>& origins,
                    std::vector<Diagnostic>& faults, Read read) const {
    const std::string key = field.path();
    const toml::node* node =
        root_ ? (*root_)[field.section][field.key].node() : static_cast<const toml::node*>(nullptr);
    const auto override = overrides_.find(key);
    toml::table from_override;
    if (override != overrides_.end()) {
      constexpr bool kIsText =
          std::is_same_v<T, std::string> || std::is_same_v<T, Duration> || std::is_enum_v<T>;
      from_override = parse_override(override->second, kIsText);
      node = from_override.get("value");
    }
    if (node == nullptr) return FieldOutcome::kAbsent;
    const std::string source = override != overrides_.end() ? "" : file_;
    ValueReader reader{source, key, faults, origins};
    if (!read(reader, *node, value)) return FieldOutcome::kRejected;
    origins[key] = position(source, node->source());
    return FieldOutcome::kRead;
  }

 private:
  // Returns an override as a one-key table: the value is TOML if it parses as such, else bare text.
  static toml::table parse_override(const std::string& text, bool is_text);

  std::vector<std::string> sections() const;
  std::vector<std::string> keys_of(const std::string& section) const;
  bool is_key(const std::string& path) const;
  // Returns where the key would be known: "'lr' is a key of [train]".
  std::string other_section_hint(const std::string& key) const;
  std::string key_hint(const std::string& section, const std::string& key) const;
  std::optional<std::string> own_key_hint(const std::string& key) const;
  static Diagnostic unknown_key(const std::string& where, const std::string& path,
                                const std::string& message, const std::string& hint);
  void check_sections(std::vector<Diagnostic>& faults) const;
  void check_keys(const std::string& section, const toml::table& table,
                  std::vector<Diagnostic>& faults) const;
  void split_overrides(const std::vector<std::string>& texts, const std::string& example,
                       std::vector<Diagnostic>& faults);

  std::string file_;
  std::vector<std::string> keys_;
  std::optional<toml::table> root_;
  std::map<std::string, std::string> overrides_;
};

}  // namespace apollo
