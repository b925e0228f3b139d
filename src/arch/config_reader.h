// Reads one config.json of Hugging Face; every message names the file and the key.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>

#include "base/json_lines.h"

namespace apollo {

class ConfigReader {
 public:
  // `config` must outlive the reader.
  ConfigReader(const std::filesystem::path& path, const Json& config)
      : path_(path.string()), config_(config) {}

  // Returns a positive integer. Throws CheckpointError if it is missing or something else.
  int64_t size(const char* key) const;
  // The same; returns `fallback` if the key is missing or null.
  int64_t size(const char* key, int64_t fallback) const;
  // Returns a number of layers: positive, or 0 in a checkpoint of Apollo, whose runs may start with
  // none.
  int64_t num_layers(const char* key) const;
  double number(const char* key, double fallback) const;
  // Returns a boolean; `fallback` if the key is missing or null.
  bool flag(const char* key, bool fallback) const;
  // Returns whether the key exists with the value null.
  bool is_null(const char* key) const;
  // Returns null if the key is missing or its value is null.
  const Json* find(const char* key) const;
  // Throws unless the value is one that Apollo computes. A missing or null key means the first of
  // `accepted`.
  void require(const char* key, std::initializer_list<Json> accepted) const;
  [[noreturn]] void reject(const std::string& what) const;

 private:
  std::string path_;
  const Json& config_;
};

}  // namespace apollo
