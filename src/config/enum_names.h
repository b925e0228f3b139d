// Names of the enumerators of RunConfig.
#pragma once

#include "base/enum_names.h"
#include "config/run_config.h"

namespace apollo {

template <>
inline constexpr std::array<std::string_view, 2> kEnumNames<Kernels> = {"fused", "reference"};
template <>
inline constexpr std::array<std::string_view, 3> kEnumNames<MatmulLibrary> = {"auto", "libtorch",
                                                                              "onednn"};
template <>
inline constexpr std::array<std::string_view, 2> kEnumNames<OptimizerKind> = {"adamw", "muon"};
template <>
inline constexpr std::array<std::string_view, 4> kEnumNames<LrSchedule> = {"cosine", "linear",
                                                                           "constant", "wsd"};
template <>
inline constexpr std::array<std::string_view, 2> kEnumNames<LrAxis> = {"steps", "flops"};
template <>
inline constexpr std::array<std::string_view, 2> kEnumNames<Precision> = {"fp32", "bf16"};
template <>
inline constexpr std::array<std::string_view, 3> kEnumNames<Recompute> = {"none", "deep", "all"};
template <>
inline constexpr std::array<std::string_view, 3> kEnumNames<NewLayers> = {"copy", "identity",
                                                                          "random"};
template <>
inline constexpr std::array<std::string_view, 2> kEnumNames<Trains> = {"all", "new"};
template <>
inline constexpr std::array<std::string_view, 5> kEnumNames<DepthSamplerKind> = {
    "lvps", "uniform", "sigmoid", "deepest", "shallowest"};
template <>
inline constexpr std::array<std::string_view, 2> kEnumNames<DepthDraw> = {"step", "micro_batch"};
template <>
inline constexpr std::array<std::string_view, 3> kEnumNames<OptimizerStateRule> = {"transport",
                                                                                   "keep", "reset"};
template <>
inline constexpr std::array<std::string_view, 3> kEnumNames<SourceMap> = {"fpi", "aki", "ligo"};
template <>
inline constexpr std::array<std::string_view, 2> kEnumNames<EvalDepth> = {"stage", "full"};

}  // namespace apollo
