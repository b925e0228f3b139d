// What the machine offers, as far as choices that are left to it need it.
#pragma once

#include <cstdint>
#include <string>

namespace apollo {

// The processor's name and kind as the system has them: "AMD EPYC, family 25, model 17"; "unknown"
// where it does not say.
std::string processor_name();

// Physical cores that this process may run on (its affinity mask counts), at least 1.
int64_t num_physical_cores();

// Memory that can be had without swapping, in bytes; 0 where the system does not say.
double available_memory_bytes();

}  // namespace apollo
