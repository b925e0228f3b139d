// Standard input, output and error, in whatever state the caller of the program left them.
#pragma once

namespace apollo {

// Call this first in main(). If one of the descriptors 0 to 2 is closed, the next opened file would
// get its number, and a log meant for stderr would go into that file. This opens such a descriptor
// so that every read of stdin and every write to stdout fails, and stderr is dropped.
void guard_standard_streams();

// Call this last. It hands what was printed to the system and throws Error if stdout did not take
// all of it, for example because the disk is full.
void finish_stdout();

}  // namespace apollo
