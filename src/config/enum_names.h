// Names of the enumerators of RunConfig, as users write them. Each list is in the order of the
// declaration, so that an enumerator's value is its place.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "base/spelling.h"
#include "config/run_config.h"

namespace apollo {

template <class E>
inline constexpr std::array<std::string_view, 0> kEnumNames = {};
template <>
inline constexpr std::array<std::string_view, 2> kEnumNames<Kernels> = {"fused", "reference"};
template <>
inline constexpr std::array<std::string_view, 3> kEnumNames<MatmulLibrary> = {"auto", "libtorch",
                                                                              "onednn"};
template <>
inline constexpr std::array<std::string_view, 2> kEnumNames<Architecture> = {"gpt2", "bert"};
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
inline constexpr std::array<std::string_view, 4> kEnumNames<LayerMapKind> = {
    "interpolate", "stack", "middle_block", "middle"};
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

template <class E>
concept NamedEnum = std::is_enum_v<E> &&(kEnumNames<E>.size() > 0);

template <NamedEnum E>
std::string_view enum_name(E value) {
  return kEnumNames<E>[static_cast<size_t>(value)];
}

template <NamedEnum E>
std::optional<E> find_enum(std::string_view name) {
  for (size_t i = 0; i < kEnumNames<E>.size(); ++i) {
    if (kEnumNames<E>[i] == name) return static_cast<E>(i);
  }
  return std::nullopt;
}

// "'fused', 'reference'"
template <NamedEnum E>
std::string enum_choices() {
  std::string text;
  for (const std::string_view name : kEnumNames<E>) {
    text += fmt::format("{}'{}'", text.empty() ? "" : ", ", name);
  }
  return text;
}

// For command-line options: throws UsageError with the choices and the nearest one. `what` names
// the option, for example "--map".
template <NamedEnum E>
E parse_enum(std::string_view name, std::string_view what) {
  if (const std::optional<E> value = find_enum<E>(name)) return *value;
  const std::string hint = did_you_mean(std::string(name), kEnumNames<E>);
  fail<UsageError>("{} must be one of {} (got '{}'){}{}", what, enum_choices<E>(), name,
                   hint.empty() ? "" : "; ", hint);
}

}  // namespace apollo
