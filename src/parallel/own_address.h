// The address under which other machines reach this one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace apollo {

// The numeric address of the network card from which packets to `host` leave. Nothing is sent.
// Nothing where `host` is not known or cannot be reached.
std::optional<std::string> own_address_towards(const std::string& host, int64_t port);

}  // namespace apollo
