// Counts the words of a stream of text on several threads. Each thread counts into a small
// table of its own and empties it into the shared one when it is full, so the memory beyond the
// words themselves is bounded; the counts depend neither on the threads nor on the pieces.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "text/word_table.h"

namespace apollo {

// Gives the next piece of text; false when there is no more.
using TextSource = std::function<bool(std::string& piece)>;

// Adds the words of a stretch of valid UTF-8 to `words`, each with 1.
using WordSplitter = std::function<void(std::string_view stretch, WordTable& words)>;

// Words of all pieces; "<|endoftext|>" is none, and ends one. Invalid UTF-8 counts as U+FFFD.
// `num_threads` 0: all cores. Throws Interrupted on a signal, and whatever `source` throws.
WordTable count_words(const TextSource& source, int64_t num_threads, bool show_progress,
                      const WordSplitter& split);

}  // namespace apollo
