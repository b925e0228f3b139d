// What the machine offers, as far as choices that are left to it need it.
#pragma once

#include <cstdint>

namespace apollo {

// Physical cores that this process may run on (its affinity mask counts), at least 1.
int64_t num_physical_cores();

// Memory that can be had without swapping, in bytes; 0 where the system does not say.
double available_memory_bytes();

}  // namespace apollo
