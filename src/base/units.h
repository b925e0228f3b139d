// Numbers for people: 1.23M, 4.1e12 -> "4.10 TFLOP", 93 -> "1m33s". No code parses them.
#pragma once

#include <cstdint>
#include <string>

namespace apollo {

std::string format_count(double count);      // "812", "12.3k", "4.56M", "7.89B"
std::string format_bytes(double bytes);      // "812 B", "12.3 KiB", "4.56 MiB"
std::string format_flops(double flops);      // "4.10 TFLOP"
std::string format_seconds(double seconds);  // "0.8s", "42s", "1m33s", "2h05m", "3d04h"

}  // namespace apollo
