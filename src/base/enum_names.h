// The names of enumerators, as users write them. Each list follows the order of the declaration, so
// that an enumerator's value is its index. Where a list is used, the compiler checks that none is
// missing.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "base/error.h"
#include "base/spelling.h"

namespace apollo {

template <class E>
inline constexpr std::array<std::string_view, 0> kEnumNames = {};

// Whether E has names: a list above, or its own enum_names<E>().
template <class E>
inline constexpr bool kHasEnumNames = kEnumNames<E>.size() > 0;

template <class E>
concept NamedEnum = std::is_enum_v<E> && kHasEnumNames<E>;

// Whether the value is an enumerator; only then does the compiler print a name for it.
template <auto kValue>
constexpr bool is_enumerator() {
  const std::string_view text = __PRETTY_FUNCTION__;
  const size_t at = text.find("kValue = ") + 9;
  return text[at] != '(' && (text[at] < '0' || text[at] > '9');
}

template <NamedEnum E>
std::span<const std::string_view> enum_names() {
  constexpr size_t kCount = kEnumNames<E>.size();
  static_assert(is_enumerator<static_cast<E>(kCount - 1)>(), "a name without an enumerator");
  static_assert(!is_enumerator<static_cast<E>(kCount)>(), "an enumerator without a name");
  return kEnumNames<E>;
}

template <NamedEnum E>
std::string_view enum_name(E value) {
  return enum_names<E>()[static_cast<size_t>(value)];
}

template <NamedEnum E>
std::optional<E> find_enum(std::string_view name) {
  const auto names = enum_names<E>();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<E>(i);
  }
  return std::nullopt;
}

// "'fused', 'reference'"
template <NamedEnum E>
std::string enum_choices() {
  std::string text;
  for (const std::string_view name : enum_names<E>()) {
    text += fmt::format("{}'{}'", text.empty() ? "" : ", ", name);
  }
  return text;
}

// Parses a command-line option. Throws UsageError with the choices and the nearest one. `what`
// names the option, for example "--map".
template <NamedEnum E>
E parse_enum(std::string_view name, std::string_view what) {
  if (const std::optional<E> value = find_enum<E>(name)) return *value;
  const std::string hint = did_you_mean(std::string(name), enum_names<E>());
  fail<UsageError>("{} must be one of {} (got '{}'){}{}", what, enum_choices<E>(), name,
                   hint.empty() ? "" : "; ", hint);
}

}  // namespace apollo
