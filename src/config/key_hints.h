// Hints for unknown keys: names that other programs use for ours, and keys that Apollo once had.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace apollo {

// Returns our key for what nanoGPT or the HF Trainer calls `name`: "learning_rate" is "train.lr".
// Empty if none is known.
std::string_view own_key_for(std::string_view name);

// Returns why the key "section.name", or its value "section.name=value", was removed, and where
// that is documented; nothing if it never existed.
std::optional<std::string> removal_of(std::string_view path);

}  // namespace apollo
