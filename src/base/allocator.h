// glibc's allocator, set for a program that allocates and frees the same few hundred megabytes at
// every step. Left to itself it hands large blocks back to the system at once and faults every page
// of them in again at the next step.
#pragma once

#include <string>

namespace apollo {

// To be called at the start of main, before threads. Does nothing where the user chose an allocator
// (a preloaded one) or its settings (MALLOC_*, GLIBC_TUNABLES).
void set_allocator();

// What set_allocator() did, for the log: "glibc, blocks below 32 MiB kept".
std::string allocator_settings();

}  // namespace apollo
