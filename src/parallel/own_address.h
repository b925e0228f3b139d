// The address under which other machines reach this one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace apollo {

// Returns the numeric address of the network card from which packets to `host` leave, or nothing if
// `host` is unknown or unreachable. It sends nothing.
std::optional<std::string> own_address_towards(const std::string& host, int64_t port);

}  // namespace apollo
