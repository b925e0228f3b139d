#include "model/architecture.h"

#include "base/error.h"
#include "config/enum_names.h"

namespace apollo {

const ArchitectureDescription& describe(Architecture architecture) {
  switch (architecture) {
    case Architecture::kGpt2:
      return gpt2_description();
    case Architecture::kBert:
      return bert_description();
  }
  throw UsageError("unknown architecture");
}

const ArchitectureDescription* find_model_type(std::string_view model_type) {
  for (const std::string_view name : kEnumNames<Architecture>) {
    const auto architecture = find_enum<Architecture>(name);
    const ArchitectureDescription& found = describe(*architecture);
    if (found.model_type == model_type) return &found;
  }
  return nullptr;
}

}  // namespace apollo
