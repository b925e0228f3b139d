// Lines of text to lines of ids and back, for scripts and for a look by eye.
#pragma once

#include <iosfwd>
#include <string>

#include "text/tokenizer.h"

namespace apollo {

struct TokenLineOptions {
  bool json = false;           // {"ids": [...]} and {"text": "..."} a line
  bool special_tokens = true;  // encode: read them in the text; decode: write them
  std::string name = "stdin";  // of the input, for messages
};

// One line in, one line out. The line's end (LF) is no part of its text; a CR before it is.
void encode_lines(std::istream& in, std::ostream& out, const Tokenizer& tokenizer,
                  const TokenLineOptions& options);

// Takes lines of ids, "15496 995", and what encode_lines() writes as JSON. Text that holds a line
// end makes several lines, except as JSON. Throws DataError with the line where one is neither, or
// holds an id that no token has.
void decode_lines(std::istream& in, std::ostream& out, const Tokenizer& tokenizer,
                  const TokenLineOptions& options);

}  // namespace apollo
