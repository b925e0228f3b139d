// Named methods. Each is a small description that fills the keys of [progressive], and where it
// must of [train], that the user left out. A method adds no trainer of its own.
#pragma once

#include <string>
#include <vector>

#include "config/run_config.h"

namespace apollo {

struct Method {
  std::string name;
  std::string summary;    // one line for help and `apollo plan`
  std::string reference;  // the paper
  // Returns the keys of [progressive] for a model of `layers` layers (the caller sets `method`).
  // Throws UsageError if the method has no schedule for that number.
  RunConfig::Progressive (*fill)(Architecture architecture, int64_t layers);
  // Changes the keys of [train] that belong to the method; null: there are none.
  void (*fill_train)(RunConfig::Train& train) = nullptr;
  // Whether it starts from a trained model, model.from.
  bool needs_source = false;
};

const std::vector<Method>& methods();
// Returns the method of that name. Otherwise throws UsageError that suggests the nearest name.
const Method& find_method(const std::string& name);

// Returns a text like "1 until 30%, 3 until 80%, 6", or "12 at 8" if a pass runs 8 of 12 layers.
std::string stages_text(const std::vector<StageSpec>& stages);

}  // namespace apollo
