// What of a row a classifier with the transform of the language head reads (ModernBERT).
#pragma once

#include <array>
#include <string_view>

#include "base/enum_names.h"

namespace apollo {

// The first token, or the mean of all; auto: as the model's config.json says, else the first.
enum class Pooling { kAuto, kCls, kMean };
template <>
inline constexpr std::array<std::string_view, 3> kEnumNames<Pooling> = {"auto", "cls", "mean"};

}  // namespace apollo
