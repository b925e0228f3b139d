// Memory for the way out of a program that has no more. The JSON library's destructor allocates,
// and a destructor that finds no memory ends the process by std::terminate, without a message.
#pragma once

namespace apollo {

// Keeps addresses of twice 8 MiB, and no page of memory, aside. `new` gets the first part when it
// first finds no memory, so a destructor may be the place where that happens. The next time it gets
// the second part and throws std::bad_alloc, so that all destructors on the way to the report of
// the error find memory. Only a destructor that is the second to find none still ends the process.
// Call it once, at the start of main.
void keep_memory_reserve();

}  // namespace apollo
