// Converts rows of metrics.jsonl to JSON and back, by their lists of fields.
#pragma once

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json_lines.h"

namespace apollo {

inline Json field_json(const std::string& value) {
  return value.empty() ? Json() : Json(value);
}
// A whole number is written as one: a mean depth of 3 is 3, not 3.0. A number that is not finite
// becomes null, because JSON has no such numbers.
inline Json field_json(double value) {
  if (!std::isfinite(value)) return {};
  const bool whole = std::abs(value) < 1e15 && value == std::floor(value);
  return whole ? Json(static_cast<int64_t>(value)) : Json(value);
}
template <class T>
Json field_json(const std::optional<T>& value) {
  return value ? field_json(*value) : Json();
}
template <class T>
Json field_json(const T& value) {
  return value;
}

template <class Row>
Json row_json(const Row& row) {
  Json json = {{"event", Row::kEvent}};
  Row::visit(row, [&](const char* name, const auto& value) { json[name] = field_json(value); });
  return json;
}

// Reads the fields of one row; `where` is its file and line, for errors.
class FieldReader {
 public:
  FieldReader(const Json& json, const std::string& where) : json_(json), where_(where) {}

  void operator()(const char* name, std::string& out) const {
    if (const Json* found = find(name)) {
      check(found->is_string(), "a text", name, *found);
      out = found->get<std::string>();
    }
  }
  void operator()(const char* name, double& out) const {
    if (const Json* found = find(name)) {
      check(found->is_number(), "a number", name, *found);
      out = found->get<double>();
    } else if (json_.contains(name)) {
      out = std::nan("");
    }
  }
  void operator()(const char* name, int64_t& out) const { read_integer(name, out); }
  void operator()(const char* name, uint64_t& out) const { read_integer(name, out); }
  void operator()(const char* name, bool& out) const {
    if (const Json* found = find(name)) {
      check(found->is_boolean(), "true or false", name, *found);
      out = found->get<bool>();
    }
  }
  void operator()(const char* name, std::optional<double>& out) const {
    double value = std::nan("");
    (*this)(name, value);
    out = std::isfinite(value) ? std::optional(value) : std::nullopt;
  }
  void operator()(const char* name, std::vector<int64_t>& out) const {
    const Json* found = find(name);
    if (found == nullptr) return;
    check(found->is_array(), "a list", name, *found);
    out.clear();
    for (const Json& item : *found) {
      check(item.is_number_integer(), "whole numbers", name, item);
      out.push_back(item.get<int64_t>());
    }
  }

 private:
  // Returns null if the field is missing or null.
  const Json* find(const char* name) const {
    const auto found = json_.find(name);
    return found == json_.end() || found->is_null() ? nullptr : &*found;
  }
  void check(bool good, const char* expected, const char* name, const Json& found) const {
    if (good) return;
    fail<DataError>("{}: damaged row: expected {} for '{}', found '{}'", where_, expected, name,
                    found.dump().substr(0, 60));
  }
  template <class T>
  void read_integer(const char* name, T& out) const {
    const Json* found = find(name);
    if (found == nullptr) return;
    if (found->is_number_integer()) {
      out = found->get<T>();
      return;
    }
    // Older logs store counts as 3.0; a value that no integer can hold must not be cast to one.
    const double value = found->is_number() ? found->get<double>() : std::nan("");
    check(std::abs(value) < 0x1p53 && value == std::floor(value), "a whole number", name, *found);
    out = static_cast<T>(value);
  }

  const Json& json_;
  const std::string& where_;
};

// Throws DataError if a field has another type.
template <class Row>
Row read_row(const Json& json, const std::string& where) {
  Row row;
  Row::visit(row, FieldReader(json, where));
  return row;
}

}  // namespace apollo
