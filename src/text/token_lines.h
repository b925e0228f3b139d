// Converts lines of text to lines of ids and back, for scripts and for reading.
#pragma once

#include <iosfwd>
#include <string>

#include "text/tokenizer.h"

namespace apollo {

struct TokenLineOptions {
  bool json = false;           // one {"ids": [...]} or {"text": "..."} per line
  bool special_tokens = true;  // encode: read them in the text; decode: write them
  std::string name = "stdin";  // of the input, for messages
};

// Writes one line per line of input. The line's end (LF) does not belong to its text; a CR before
// it does.
void encode_lines(std::istream& in, std::ostream& out, const Tokenizer& tokenizer,
                  const TokenLineOptions& options);

// Reads lines of ids, "15496 995", and what encode_lines() writes as JSON. Text that contains line
// ends makes several lines, except as JSON. Throws DataError with the line if one is neither, or if
// it contains an id that no token has.
void decode_lines(std::istream& in, std::ostream& out, const Tokenizer& tokenizer,
                  const TokenLineOptions& options);

}  // namespace apollo
