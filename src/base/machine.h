// What the machine offers, as far as Apollo's own choices need it.
#pragma once

#include <cstdint>
#include <string>

namespace apollo {

// Returns the processor's name and kind as the system states them, "AMD EPYC, family 25, model 17",
// or "unknown".
std::string processor_name();

// Returns the number of physical cores that this process may use (see its affinity mask), at least
// 1.
int64_t num_physical_cores();

// Returns the memory that is available without swapping, in bytes; 0 if the system does not say.
double available_memory_bytes();

}  // namespace apollo
