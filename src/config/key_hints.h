// What to say of a key that is not known: names that other programs have for ours, and keys that
// Apollo once had.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace apollo {

// Our key for what nanoGPT or the HF Trainer calls `name`: "learning_rate" is "train.lr". Empty
// where none is known.
std::string_view own_key_for(std::string_view name);

// Why the key "section.name", or its value "section.name=value", was removed, and where that is
// told; nothing for one that never was.
std::optional<std::string> removal_of(std::string_view path);

}  // namespace apollo
