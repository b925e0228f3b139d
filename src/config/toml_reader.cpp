#include "config/toml_reader.h"

#include <cmath>
#include <limits>
#include <sstream>

namespace apollo {

namespace {

// "string 'fast'", "integer 3", "a table"
std::string describe(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return fmt::format("string '{}'", **node.as_string());
    case toml::node_type::integer:
      return fmt::format("integer {}", **node.as_integer());
    case toml::node_type::floating_point:
      return fmt::format("number {}", **node.as_floating_point());
    case toml::node_type::boolean:
      return fmt::format("boolean {}", **node.as_boolean());
    case toml::node_type::array:
      return "a list";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

}  // namespace

std::string position(const std::string& file, const toml::source_region& region) {
  if (file.empty()) return "--set";
  return fmt::format("{}:{}:{}", file, region.begin.line, region.begin.column);
}

bool ValueReader::reject(const toml::node& node, const std::string& expected,
                         const std::string& hint) {
  faults.push_back({position(file, node.source()),
                    fmt::format("{} must be {} (got {})", path, expected, describe(node)), hint});
  return false;
}

bool ValueReader::read(const toml::node& node, std::string& out) {
  const auto value = node.value_exact<std::string>();
  if (!value) return reject(node, "a string", "put it in quotes");
  out = *value;
  return true;
}

bool ValueReader::read(const toml::node& node, int64_t& out) {
  if (const auto value = node.value_exact<int64_t>()) {
    out = *value;
    return true;
  }
  const auto number = node.value_exact<double>();
  const bool whole = number && std::abs(*number) < 1e15 && *number == std::floor(*number);
  return reject(node, "an integer", whole ? fmt::format("write {:.0f}", *number) : "");
}

bool ValueReader::read(const toml::node& node, uint64_t& out) {
  const auto value = node.value_exact<int64_t>();
  if (!value || *value < 0) return reject(node, "an integer of at least 0");
  out = static_cast<uint64_t>(*value);
  return true;
}

bool ValueReader::read(const toml::node& node, double& out) {
  const auto integer = node.value_exact<int64_t>();
  const auto number = node.value_exact<double>();
  const double value = integer ? static_cast<double>(*integer)
                               : number.value_or(std::numeric_limits<double>::quiet_NaN());
  if (!std::isfinite(value)) return reject(node, number ? "a finite number" : "a number");
  out = value;
  return true;
}

bool ValueReader::read(const toml::node& node, bool& out) {
  const auto value = node.value_exact<bool>();
  if (!value) return reject(node, "true or false");
  out = *value;
  return true;
}

bool ValueReader::read(const toml::node& node, std::optional<bool>& out) {
  const bool is_auto = node.value_exact<std::string>() == std::optional<std::string>("auto");
  const auto value = node.value_exact<bool>();
  if (!value && !is_auto) return reject(node, "true, false or \"auto\"");
  out = value;
  return true;
}

bool ValueReader::read(const toml::node& node, Duration& out) {
  const char* const hint =
      "write it in quotes, with its unit: steps, tokens, epochs, flops, hours or %";
  const auto text = node.value_exact<std::string>();
  if (!text) return reject(node, "a length such as \"3 epochs\"", hint);
  try {
    out = parse_duration(*text);
  } catch (const UsageError&) {
    return reject(node, "a length such as \"3 epochs\"", hint);
  }
  return true;
}

bool ValueReader::read(const toml::node& node, StageSpec& out) {
  const toml::table* table = node.as_table();
  if (table == nullptr) return reject(node, "a table such as {layers = 3, until = \"10%\"}");
  origins[path] = position(file, node.source());
  static const std::vector<std::string> kKeys = {"layers", "until", "depth"};
  StageSpec stage;
  bool good = true;
  for (const auto& [key, value] : *table) {
    const std::string name(key.str());
    ValueReader reader{file, path + "." + name, faults, origins};
    origins[reader.path] = position(file, value.source());
    if (name == "layers") {
      good &= reader.read(value, stage.layers);
    } else if (name == "until") {
      Duration until;
      good &= reader.read(value, until);
      stage.until = until;
    } else if (name == "depth") {
      int64_t depth = 0;
      good &= reader.read(value, depth);
      stage.depth = depth;
    } else {
      faults.push_back({position(file, key.source()),
                        fmt::format("unknown key '{}' in {}", name, path),
                        did_you_mean(name, kKeys, "a stage has 'layers', 'until' and 'depth'")});
      good = false;
    }
  }
  if (!table->contains("layers")) {
    faults.push_back({position(file, node.source()), path + " lacks its number of layers", ""});
    good = false;
  }
  if (good) out = stage;
  return good;
}

}  // namespace apollo
