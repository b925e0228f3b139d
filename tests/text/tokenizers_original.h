// Texts for the comparison with the packages `tokenizers` and `transformers`, and the comparison.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "support/python_original.h"
#include "support/temp_dir.h"
#include "text/random_text.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

#define APOLLO_SKIP_WITHOUT(path) \
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent"

namespace apollo {

using Strings = std::vector<std::string>;

inline constexpr const char* kScript = "tests/text/tokenizers_original.py";

inline nlohmann::json run_original(const std::filesystem::path& tokenizer, const Strings& texts,
                                   const std::string& flags = "") {
  const TempDir dir;
  write_file_atomic(dir / "texts", nlohmann::json(texts).dump());
  run_python(kScript, "encode '" + tokenizer.string() + "' '" + (dir / "texts").string() + "' '" +
                          (dir / "out").string() + "' " + flags);
  return nlohmann::json::parse(read_file(dir / "out"));
}

// Ids and decoded texts of both, text by text.
inline void expect_equal(const Tokenizer& ours, const std::filesystem::path& theirs,
                         const Strings& texts, bool parse_special = true,
                         const std::string& flags = "") {
  const nlohmann::json original =
      run_original(theirs, texts, (parse_special ? flags : flags + " --no-special"));
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<TokenId> ids;
    ours.encode(texts[i], ids, parse_special);
    ASSERT_EQ(nlohmann::json(ids), original["ids"][i])
        << "text " << i << ": " << nlohmann::json(texts[i]);
    ASSERT_EQ(ours.decode(ids, false), original["texts"][i].get<std::string>());
    ASSERT_EQ(ours.decode(ids, true), original["texts_without_special"][i].get<std::string>());
  }
}

inline Strings random_texts(size_t count, uint64_t seed = 11) {
  RandomText random(seed);
  Strings texts;
  for (size_t i = 0; i < count; ++i)
    texts.push_back(random.text());
  return texts;
}

// Scalar values, each after every one of `before`, so that their class shows: every one where
// characters are assigned, some of the planes beyond.
inline Strings all_code_points(const Strings& befores) {
  constexpr char32_t kEndOfAssigned = 0x32400;
  Strings texts;
  for (char32_t c = 0; c < 0x110000; c += c < kEndOfAssigned ? 1 : 61) {
    if (c >= 0xD800 && c < 0xE000) continue;
    if (texts.empty() || texts.back().size() > 400) texts.emplace_back();
    for (const std::string& before : befores) {
      texts.back() += before;
      append_utf8(c, texts.back());
    }
  }
  return texts;
}

// Paragraphs of `num_bytes` of an .xz file of the example corpus.
inline Strings corpus_texts(const std::string& name, size_t num_bytes) {
  const std::string path = (example_data() / "corpus" / name).string();
  std::FILE* pipe = popen(("xz -dc '" + path + "' 2>/dev/null").c_str(), "r");
  std::string text(num_bytes, '\0');
  text.resize(std::fread(text.data(), 1, num_bytes, pipe));
  pclose(pipe);
  Strings texts;
  while (!text.empty()) {
    const size_t end = std::min(text.find("\n\n", 4000), text.size());
    texts.push_back(text.substr(0, end));
    text.erase(0, end);
  }
  std::string valid;
  repair_utf8(texts.back(), valid);
  texts.back() = valid;
  return texts;
}

}  // namespace apollo
