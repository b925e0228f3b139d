// Standard input, output and error, as whoever started the program left them.
#pragma once

namespace apollo {

// Call first in main(). A descriptor of 0 to 2 that is closed would be given to the next file that
// is opened, and a log meant for stderr would go into that file. It becomes one on which every read
// or write of stdin and stdout fails, and stderr is dropped.
void guard_standard_streams();

// Call last. Hands what was printed to the system; throws Error where stdout did not take all of
// it, as on a full disk.
void finish_stdout();

}  // namespace apollo
