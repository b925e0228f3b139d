// Sets glibc's allocator for a program that allocates and frees the same few hundred megabytes at
// every step. By default glibc returns large blocks to the system at once, and every page of them
// faults in again at the next step.
#pragma once

#include <string>

namespace apollo {

// Call this at the start of main, before any threads. It does nothing if the user chose an
// allocator (a preloaded one) or its settings (MALLOC_*, GLIBC_TUNABLES).
void set_allocator();

// Returns what set_allocator() did, for the log: "glibc, blocks below 32 MiB kept".
std::string allocator_settings();

// Gives freed memory back to the system, for a program that will not need as much again. Only
// blocks of glibc are given back.
void return_freed_memory();

}  // namespace apollo
