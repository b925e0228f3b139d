// What the dimensions of a parameter mean, in the words of growth in width (parameters.h).
#pragma once

#include "model/parameters.h"

namespace apollo::axes {

inline constexpr Axis kFixed = {};
inline constexpr Axis kResidualOut = {Neurons::kResidual, AxisRole::kOutput};
inline constexpr Axis kResidualIn = {Neurons::kResidual, AxisRole::kInput};
inline constexpr Axis kPerResidual = {Neurons::kResidual, AxisRole::kElementwise};
inline constexpr Axis kQkvOut = {Neurons::kQkv, AxisRole::kOutput};
inline constexpr Axis kHeadsIn = {Neurons::kHeads, AxisRole::kInput};
inline constexpr Axis kInnerOut = {Neurons::kInner, AxisRole::kOutput};
inline constexpr Axis kInnerIn = {Neurons::kInner, AxisRole::kInput};

}  // namespace apollo::axes
