#include "text/token_roles.h"

#include <utility>

namespace apollo {

std::string missing_mask_roles(const TokenRoles& roles) {
  std::string missing;
  for (const auto& [id, name] : {std::pair(roles.cls, "[CLS]"), std::pair(roles.sep, "[SEP]"),
                                 std::pair(roles.pad, "[PAD]"), std::pair(roles.mask, "[MASK]")}) {
    if (id) continue;
    missing += missing.empty() ? "" : ", ";
    missing += name;
  }
  return missing;
}

}  // namespace apollo
