// Returns the message of the exception of type E that `call` throws, to test its exact text.
#pragma once

#include <string>

namespace apollo {

template <class E, class Call>
std::string thrown_text(Call call) {
  try {
    call();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace apollo
