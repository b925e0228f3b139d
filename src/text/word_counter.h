// Counts the words of a stream of text on several threads. Each thread counts into a small table of
// its own and empties it into the shared one when it is full. So memory beyond the words themselves
// is bounded, and counts depend neither on the threads nor on the pieces.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "text/word_table.h"

namespace apollo {

// Gets the next piece of text; returns false when there are no more.
using TextSource = std::function<bool(std::string& piece)>;

// Adds each word of a stretch of valid UTF-8 to `words` once.
using WordSplitter = std::function<void(std::string_view stretch, WordTable& words)>;

// Returns the words of all pieces. "<|endoftext|>" is not a word, but ends one. Invalid UTF-8
// counts as U+FFFD. `num_threads` 0: all cores. Throws Interrupted on a signal, and whatever
// `source` throws.
WordTable count_words(const TextSource& source, int64_t num_threads, bool show_progress,
                      const WordSplitter& split);

}  // namespace apollo
