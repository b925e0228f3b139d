// One config.json of Hugging Face under inspection; every message names the file and the key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>

#include "base/json_lines.h"

namespace apollo {

class ConfigReader {
 public:
  // `config` must outlive this.
  ConfigReader(const std::filesystem::path& path, const Json& config)
      : path_(path.string()), config_(config) {}

  // A positive integer. Throws CheckpointError where it is missing or something else.
  int64_t size(const char* key) const;
  // The same; `fallback` where the key is missing or null.
  int64_t size(const char* key, int64_t fallback) const;
  // A number of layers: positive, or 0 in a checkpoint of Apollo, whose runs can begin with none.
  int64_t num_layers(const char* key) const;
  double number(const char* key, double fallback) const;
  // true or false; `fallback` where the key is missing or null.
  bool flag(const char* key, bool fallback) const;
  // Whether the key stands there with the value null.
  bool is_null(const char* key) const;
  // Null where the key is missing or its value null.
  const Json* find(const char* key) const;
  // Refuses a value other than those that Apollo computes; a key left out or null is the first.
  void require(const char* key, std::initializer_list<Json> accepted) const;
  [[noreturn]] void reject(const std::string& what) const;

 private:
  std::string path_;
  const Json& config_;
};

}  // namespace apollo
