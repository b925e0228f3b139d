// Texts for comparisons with the packages `tokenizers` and `transformers`, and the comparison
// itself.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>
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

// Compares the ids and decoded texts of both, text by text. `flags` are those of the script.
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

inline Strings random_texts(size_t count, uint64_t seed = 11, int64_t max_parts = 24) {
  RandomText random(seed);
  Strings texts;
  for (size_t i = 0; i < count; ++i)
    texts.push_back(random.text(max_parts));
  return texts;
}

// Like expect_equal(), for texts with some bytes changed, which Python decodes with
// errors="replace".
inline void expect_equal_from_bytes(const Tokenizer& ours, const std::filesystem::path& theirs,
                                    const std::string& flags = "") {
  RandomText random(16);
  Strings texts;
  Strings as_latin1;
  for (int i = 0; i < 5000; ++i) {
    std::string text = random.text();
    for (int64_t n = text.empty() ? 0 : random.below(5); n > 0; --n)
      text[static_cast<size_t>(random.below(std::ssize(text)))] =
          static_cast<char>(random.below(256));
    texts.push_back(text);
    as_latin1.emplace_back();
    for (const char c : text)
      append_utf8(static_cast<unsigned char>(c), as_latin1.back());
  }
  const nlohmann::json original = run_original(theirs, as_latin1, flags + " --bytes");
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<TokenId> ids;
    ours.encode(texts[i], ids);
    ASSERT_EQ(nlohmann::json(ids), original["ids"][i]) << nlohmann::json(as_latin1[i]);
  }
}

// Returns scalar values, each after every one of `before`, so that their class matters: all of them
// where characters are assigned, some of the planes beyond.
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

// Returns what `command` prints.
inline std::string read_pipe(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  std::string text;
  std::string block(1 << 16, '\0');
  while (const size_t size = std::fread(block.data(), 1, block.size(), pipe))
    text.append(block, 0, size);
  pclose(pipe);
  return text;
}

// Adds the values of `keys` in every `step`-th line that `command` prints as JSON.
inline void add_json_texts(const std::string& command, const Strings& keys, int step,
                           Strings& texts) {
  std::istringstream lines(read_pipe(command));
  std::string line;
  for (int i = 0; std::getline(lines, line); ++i) {
    if (i % step != 0) continue;
    const nlohmann::json row = nlohmann::json::parse(line);
    for (const std::string& key : keys)
      texts.push_back(row.at(key).get<std::string>());
  }
}

// Returns paragraphs from `num_bytes` of an .xz file of the example corpus.
inline Strings corpus_texts(const std::string& name, size_t num_bytes) {
  const std::string path = (example_data() / "corpus" / name).string();
  std::string text = read_pipe("xz -dc '" + path + "'");
  text.resize(std::min(num_bytes, text.size()));
  Strings texts;
  for (size_t at = 0; at < text.size(); at += texts.back().size()) {
    const size_t end = text.find("\n\n", at + 4000);
    texts.push_back(text.substr(at, end == std::string::npos ? end : end - at));
  }
  std::string valid;
  repair_utf8(texts.back(), valid);
  texts.back() = valid;
  return texts;
}

// Returns all of mix-medium valid, of WikiText-2's held-out parts and of LAMBADA, and a fifth of
// BLiMP's pairs.
inline Strings held_out_texts() {
  Strings texts;
  for (const char* name :
       {"mix-medium.valid.txt.xz", "wikitext-2.valid.txt.xz", "wikitext-2.test.txt.xz"}) {
    for (std::string& text : corpus_texts(name, std::string::npos))
      texts.push_back(std::move(text));
  }
  const std::string folder = (example_data() / "eval").string();
  add_json_texts("xz -dc '" + folder + "/lambada_test.jsonl.xz'", {"text"}, 1, texts);
  add_json_texts("tar -xJOf '" + folder + "/blimp.tar.xz' --wildcards '*.jsonl'",
                 {"sentence_good", "sentence_bad"}, 5, texts);
  return texts;
}

}  // namespace apollo
