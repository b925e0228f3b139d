#include "arch/config_reader.h"

#include <limits>
#include <string>

#include "base/error.h"

namespace apollo {
namespace {

std::string shown(const Json& value) {
  return value.dump().substr(0, 60);
}

}  // namespace

int64_t ConfigReader::size(const char* key) const {
  const auto found = config_.find(key);
  if (found == config_.end()) fail<CheckpointError>("{}: key '{}' is missing", path_, key);
  const bool is_huge =
      found->is_number_unsigned() && found->get<uint64_t>() > std::numeric_limits<int64_t>::max();
  if (!found->is_number_integer() || is_huge || found->get<int64_t>() < 1) {
    fail<CheckpointError>("{}: key '{}': expected a positive integer, found {}", path_, key,
                          shown(*found));
  }
  return found->get<int64_t>();
}

int64_t ConfigReader::size(const char* key, int64_t fallback) const {
  const auto found = config_.find(key);
  return found == config_.end() || found->is_null() ? fallback : size(key);
}

int64_t ConfigReader::num_layers(const char* key) const {
  const auto found = config_.find(key);
  const bool none = found != config_.end() && *found == Json(0) && config_.contains("apollo");
  return none ? 0 : size(key);
}

double ConfigReader::number(const char* key, double fallback) const {
  const auto found = config_.find(key);
  if (found == config_.end() || found->is_null()) return fallback;
  if (!found->is_number()) {
    fail<CheckpointError>("{}: key '{}': expected a number, found {}", path_, key, shown(*found));
  }
  return found->get<double>();
}

bool ConfigReader::flag(const char* key, bool fallback) const {
  const Json* found = find(key);
  if (found == nullptr) return fallback;
  if (!found->is_boolean()) {
    fail<CheckpointError>("{}: key '{}': expected true or false, found {}", path_, key,
                          found->dump());
  }
  return found->get<bool>();
}

bool ConfigReader::is_null(const char* key) const {
  const auto found = config_.find(key);
  return found != config_.end() && found->is_null();
}

const Json* ConfigReader::find(const char* key) const {
  const auto found = config_.find(key);
  return found == config_.end() || found->is_null() ? nullptr : &*found;
}

void ConfigReader::require(const char* key, std::initializer_list<Json> accepted) const {
  const auto found = config_.find(key);
  if (found == config_.end() || found->is_null()) return;
  for (const Json& value : accepted) {
    if (*found == value) return;
  }
  fail<CheckpointError>("{}: key '{}' is {}, which Apollo does not compute (expected {})", path_,
                        key, shown(*found), accepted.begin()->dump());
}

void ConfigReader::reject(const std::string& what) const {
  fail<CheckpointError>("{}: {}", path_, what);
}

}  // namespace apollo
