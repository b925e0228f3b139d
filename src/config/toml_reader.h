// Reads one TOML value into one typed field, or reports a fault that says what was expected and
// what was found. It is private to config/, because toml.h is slow to compile.
#pragma once

#include <toml++/toml.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/spelling.h"
#include "config/enum_names.h"
#include "config/key_hints.h"
#include "config/run_config.h"

namespace apollo {

// Returns "file:line:col" of a node; "--set" if `file` is empty.
std::string position(const std::string& file, const toml::source_region& region);

// Reads the values of one key and collects faults, and the origins of parts of a value.
struct ValueReader {
  std::string file;  // empty: an override
  std::string path;  // "train.lr"
  std::vector<Diagnostic>& faults;
  std::map<std::string, std::string>& origins;

  // Each returns whether `node` was valid; otherwise `out` is unchanged.
  bool read(const toml::node& node, std::string& out);
  bool read(const toml::node& node, int64_t& out);
  bool read(const toml::node& node, uint64_t& out);
  bool read(const toml::node& node, double& out);
  bool read(const toml::node& node, bool& out);
  bool read(const toml::node& node, std::optional<bool>& out);  // or "auto"
  bool read(const toml::node& node, Duration& out);
  bool read(const toml::node& node, StageSpec& out);
  template <NamedEnum E>
  bool read(const toml::node& node, E& out);
  template <class T>
  bool read(const toml::node& node, std::vector<T>& out);

  // Adds "PATH must be EXPECTED (got WHAT)".
  bool reject(const toml::node& node, const std::string& expected, const std::string& hint = "");
};

template <NamedEnum E>
bool ValueReader::read(const toml::node& node, E& out) {
  const auto name = node.value_exact<std::string>();
  const std::optional<E> value = name ? find_enum<E>(*name) : std::nullopt;
  if (!value) {
    const auto removal = removal_of(path + "=" + name.value_or(""));
    return reject(node, "one of " + enum_choices<E>(),
                  removal ? *removal
                  : name  ? did_you_mean(*name, enum_names<E>())
                          : "");
  }
  out = *value;
  return true;
}

// A single value counts as a list of one.
template <class T>
bool ValueReader::read(const toml::node& node, std::vector<T>& out) {
  std::vector<T> values;
  const auto read_item = [&](const toml::node& item, const std::string& item_path) {
    T value{};
    ValueReader reader{file, item_path, faults, origins};
    const bool good = reader.read(item, value);
    if (good) values.push_back(std::move(value));
    return good;
  };
  bool good = true;
  if (const toml::array* array = node.as_array()) {
    for (size_t i = 0; i < array->size(); ++i) {
      good &= read_item(*array->get(i), fmt::format("{}[{}]", path, i));
    }
  } else {
    good = read_item(node, path);
  }
  if (good) out = std::move(values);
  return good;
}

}  // namespace apollo
