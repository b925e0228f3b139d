// The processor, as far as the choice of threads needs it.
#pragma once

#include <cstdint>

namespace apollo {

// Physical cores that this process may run on (its affinity mask counts), at least 1.
int64_t num_physical_cores();

}  // namespace apollo
