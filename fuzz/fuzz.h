// What a fuzzed reader is: its name, files to start from, and how it reads one.
//
// A reader may take an input or refuse it with an apollo::Error. Anything else is a finding:
// another exception, a signal, a sanitizer's report, an input that takes longer than ten seconds or
// more than four gigabytes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace apollo {

struct FuzzTarget {
  const char* name;
  const char* file;  // the name that the input has in its folder
  // Sound inputs, the same in every run; `dir` is an empty folder to make them in.
  std::vector<std::string> (*corpus)(const std::filesystem::path& dir);
  // Reads the input `dir`/`file`.
  void (*read)(const std::filesystem::path& dir);
  std::vector<std::string> words;  // that mutations put in
};

// Those of this program.
std::span<const FuzzTarget> fuzz_targets();

// Writes `bytes` into `dir` and reads them; false where they are refused.
bool fuzz_once(const FuzzTarget& target, const std::filesystem::path& dir,
               const std::string& bytes);

// `input` changed in one to four places, or put together with another one of `corpus`.
std::string mutate(const std::string& input, const std::vector<std::string>& corpus,
                   const std::vector<std::string>& words, uint64_t random);

}  // namespace apollo
