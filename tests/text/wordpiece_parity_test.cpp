// WordPiece's equality with the packages `tokenizers` and `transformers`, run by the project's
// venv.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file.h"
#include "support/python_original.h"
#include "support/temp_dir.h"
#include "text/tokenizer.h"
#include "text/tokenizers_original.h"
#include "text/wordpiece.h"

namespace apollo {
namespace {

using json = nlohmann::json;

std::filesystem::path bert_vocab() {
  return example_data() / "tokenizers/bert-base-uncased/vocab.txt";
}

struct Setting {
  const char* name;
  const char* config;  // our tokenizer_config.json
  const char* flags;   // of the script
};

// The tokenizer.json of `tokenizers` for a setting, made once.
const std::filesystem::path& original_of(const Setting& setting) {
  static const TempDir dir;
  static std::map<std::string, std::filesystem::path> made;
  std::filesystem::path& path = made[setting.name];
  if (!path.empty()) return path;
  path = dir / (std::string(setting.name) + ".json");
  run_python(kScript,
             "bert '" + bert_vocab().string() + "' '" + path.string() + "' " + setting.flags);
  return path;
}

// BERT's vocabulary read by us from vocab.txt and tokenizer_config.json, and by `tokenizers`.
class Bert : public ::testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    APOLLO_SKIP_WITHOUT_PYTHON();
    APOLLO_SKIP_WITHOUT(bert_vocab());
    std::filesystem::copy_file(bert_vocab(), dir_ / "vocab.txt");
    write_file_atomic(dir_ / "tokenizer_config.json", GetParam().config);
    tokenizer_ = load_tokenizer(dir_.path().string());
  }
  std::filesystem::path original() const { return original_of(GetParam()); }
  const WordPiece& wordpiece() const { return dynamic_cast<const WordPiece&>(*tokenizer_); }
  void expect_equal_ids(const Strings& texts, bool parse_special = true) {
    expect_equal(*tokenizer_, original(), texts, parse_special, "--bare");
  }

  TempDir dir_;
  std::unique_ptr<Tokenizer> tokenizer_;
};

TEST_P(Bert, RandomUnicode) {
  expect_equal_ids(random_texts(GetParam().name == std::string("Uncased") ? 100000 : 12000,
                                /*seed=*/21, /*max_parts=*/12));
}

TEST_P(Bert, RandomBytes) {
  expect_equal_from_bytes(*tokenizer_, original(), "--bare");
}

TEST_P(Bert, SpelledOutSpecials) {
  const Strings parts = {"[CLS]", "[SEP]", "[MASK]", "[mask]", "[UNK]", " ", "a", "\u00e9", "##a"};
  RandomText random(22);
  Strings texts;
  for (int i = 0; i < 500; ++i) {
    std::string text;
    for (int64_t n = random.below(7); n > 0; --n)
      text += parts[static_cast<size_t>(random.below(static_cast<int64_t>(parts.size())))];
    texts.push_back(text);
  }
  expect_equal_ids(texts);
  expect_equal_ids(texts, /*parse_special=*/false);
}

TEST_P(Bert, EveryCodePoint) {
  expect_equal_ids(all_code_points({"a"}));
}

TEST_P(Bert, HeldOutTexts) {
  Strings texts = held_out_texts();
  if (GetParam().name != std::string("Uncased")) {  // one in 8 will do
    for (size_t i = 0; i < texts.size() / 8; ++i)
      texts[i] = std::move(texts[8 * i]);
    texts.resize(texts.size() / 8);
  }
  expect_equal_ids(texts);
}

TEST_P(Bert, VeryLongWords) {
  Strings texts;
  for (const size_t length : {99, 100, 101, 200, 100000}) {
    texts.push_back("x " + std::string(length, 'a') + " y");
    std::string chars;
    for (size_t i = 0; i < length; ++i)
      chars += "\u00e9";
    texts.push_back(chars);
    texts.push_back("a" + std::string(length, '#'));
  }
  expect_equal_ids(texts);
}

TEST_P(Bert, TransformersLoadsOurCopy) {
  const TempDir dir;
  tokenizer_->save(dir.path());
  EXPECT_EQ(read_file(dir / "vocab.txt"), read_file(bert_vocab()));
  EXPECT_EQ(load_tokenizer(dir.path().string())->hash(), tokenizer_->hash());
  EXPECT_EQ(load_tokenizer(original().string())->hash(), tokenizer_->hash());
  expect_equal(*tokenizer_, dir.path(), random_texts(1000, /*seed=*/23), /*parse_special=*/true,
               "--bare");
}

class BertPairs : public Bert {};

TEST_P(BertPairs, AreThoseOfTransformersWholeAndCut) {
  const TempDir dir;
  tokenizer_->save(dir.path());
  const Strings texts = random_texts(300, /*seed=*/25);
  write_file_atomic(dir / "texts", json(texts).dump());
  run_python(kScript, "pairs '" + dir.path().string() + "' '" + (dir / "texts").string() + "' '" +
                          (dir / "out").string() + "'");
  for (const json& theirs : json::parse(read_file(dir / "out"))) {
    for (size_t i = 0; i + 1 < texts.size() * 2; ++i) {
      const bool is_pair = i >= texts.size();
      const std::string& a = texts[is_pair ? i - texts.size() : i];
      const auto b = is_pair ? std::optional<std::string_view>(*(&a + 1)) : std::nullopt;
      std::vector<TokenId> ids;
      std::vector<int32_t> segments;
      if (theirs["max_length"].is_null()) {
        wordpiece().encode_pair(a, b, ids, segments);
      } else {
        wordpiece().encode_pair(a, b, theirs["max_length"].get<int64_t>(), ids, segments);
      }
      ASSERT_EQ(json(ids), theirs["ids"][i]) << i << ", max_length " << theirs["max_length"];
      ASSERT_EQ(json(segments), theirs["segment_ids"][i]) << i;
    }
  }
}

// Added tokens with all flags, found in the text as it stands or as it is normalised.
TEST_P(Bert, AddedTokens) {
  tokenizer_->save(dir_.path());
  const std::string path = (dir_ / "tokenizer.json").string();
  json file = json::parse(read_file(path));
  int id = 30522;
  const auto add = [&](const char* text, bool special, bool lstrip, bool rstrip, bool single_word,
                       bool normalized) {
    file["added_tokens"].push_back({{"id", id++},
                                    {"content", text},
                                    {"special", special},
                                    {"lstrip", lstrip},
                                    {"rstrip", rstrip},
                                    {"single_word", single_word},
                                    {"normalized", normalized}});
  };
  add("NaCl", false, false, false, false, true);
  add("<E1>", true, true, true, false, false);
  add("caf\u00e9", false, false, true, true, true);
  add("\u4e2dx", false, true, false, false, true);
  write_file_atomic(path, file.dump());
  const auto ours = load_tokenizer(path);

  const Strings parts = {"NaCl", "nacl", "<E1>", "<e1>",     "caf\u00e9", "Cafe",   "\u4e2dx",
                         " ",    "\t",   "a",    "\u4e2d x", "-",         "\u0301", "x\x01"};
  RandomText random(24);
  Strings texts;
  for (int i = 0; i < 1000; ++i) {
    std::string text;
    for (int64_t n = random.below(8); n > 0; --n)
      text += parts[static_cast<size_t>(random.below(static_cast<int64_t>(parts.size())))];
    texts.push_back(text);
  }
  expect_equal(*ours, path, texts, /*parse_special=*/true, "--bare");
  expect_equal(*ours, path, texts, /*parse_special=*/false, "--bare");
}

constexpr Setting kUncased = {"Uncased", "{}", ""};

INSTANTIATE_TEST_SUITE_P(
    WordPieceParity, Bert,
    ::testing::Values(
        kUncased, Setting{"Cased", R"({"do_lower_case": false})", "--cased"},
        Setting{"CasedWithoutAccents", R"({"do_lower_case": false, "strip_accents": true})",
                "--cased --strip-accents"},
        Setting{"UncasedWithAccents", R"({"strip_accents": false})", "--keep-accents"}),
    [](const auto& info) { return info.param.name; });

INSTANTIATE_TEST_SUITE_P(WordPieceParity, BertPairs, ::testing::Values(kUncased),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace apollo
