// Named methods: each is a small description that fills the keys of [progressive] that the user
// left out. A method adds no trainer of its own.
#pragma once

#include <string>
#include <vector>

#include "config/run_config.h"

namespace apollo {

struct Method {
  std::string name;
  std::string summary;    // one line for help and `apollo plan`
  std::string reference;  // the paper
  // The keys of [progressive] for a model of `layers` layers (`method` is set by the caller).
  RunConfig::Progressive (*fill)(int64_t layers);
};

const std::vector<Method>& methods();
// Throws UsageError naming the nearest name.
const Method& find_method(const std::string& name);

}  // namespace apollo
