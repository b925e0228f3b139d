#include "text/wordpiece.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"
#include "text/json_section.h"
#include "text/random_text.h"
#include "text/tokenizer_json.h"

namespace apollo {
namespace {

using json = nlohmann::json;
using Ids = std::vector<TokenId>;

constexpr const char* kVocab =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\n##a\naff\n,\n.\n'\ns\n";

class WordPieceTest : public ::testing::Test {
 protected:
  std::string path(const char* name) const { return (dir_ / name).string(); }

  std::unique_ptr<Tokenizer> load(const std::string& vocab = kVocab) {
    write_file_atomic(dir_ / "vocab.txt", vocab);
    return load_tokenizer(dir_.path().string());
  }

  std::string error_of_vocab(const std::string& vocab) {
    const std::string message = thrown_text<DataError>([&] { load(vocab); });
    const std::string at = path("vocab.txt");
    return message.starts_with(at) ? message.substr(at.size()) : message;
  }

  // What reading the saved tokenizer.json says after `change`, without the path in front.
  std::string error_of_json(const std::function<void(json&)>& change) {
    load()->save(dir_.path());
    json file = parse_json_file(path("tokenizer.json"));
    change(file);
    write_file_atomic(path("tokenizer.json"), file.dump());
    const std::string message =
        thrown_text<DataError>([&] { load_tokenizer(path("tokenizer.json")); });
    std::filesystem::remove(path("tokenizer.json"));
    const std::string at = path("tokenizer.json") + ": ";
    return message.starts_with(at) ? message.substr(at.size()) : message;
  }

  static Ids encode(const Tokenizer& tokenizer, const std::string& text) {
    Ids ids;
    tokenizer.encode(text, ids);
    return ids;
  }

  TempDir dir_;
};

TEST_F(WordPieceTest, TakesTheLongestTokenFirst) {
  const auto tokenizer = load();
  EXPECT_EQ(encode(*tokenizer, "unaffable aff UNA"), (Ids{5, 6, 7, 9, 5, 8}));
}

TEST_F(WordPieceTest, AWordThatCannotBeSpelledIsUnknownAsAWhole) {
  const auto tokenizer = load();
  EXPECT_EQ(encode(*tokenizer, "unaffx un xun, affun"), (Ids{1, 5, 1, 10, 1}));
}

TEST_F(WordPieceTest, LongWordsAreUnknown) {
  const auto tokenizer = load();
  const std::string longest = "un" + std::string(98, 'a');
  EXPECT_EQ(encode(*tokenizer, longest).size(), 99u);
  EXPECT_EQ(encode(*tokenizer, longest + "a"), Ids{1});
}

TEST_F(WordPieceTest, PairsHaveSegments) {
  const auto tokenizer = load();
  const auto& wordpiece = dynamic_cast<const WordPiece&>(*tokenizer);
  Ids ids{7};
  std::vector<int32_t> segments;
  wordpiece.encode_pair("un", std::nullopt, ids, segments);
  EXPECT_EQ(ids, (Ids{2, 5, 3}));
  EXPECT_EQ(segments, (std::vector<int32_t>{0, 0, 0}));
  wordpiece.encode_pair("un", "aff.", ids, segments);
  EXPECT_EQ(ids, (Ids{2, 5, 3, 9, 11, 3}));
  EXPECT_EQ(segments, (std::vector<int32_t>{0, 0, 0, 1, 1, 1}));
  wordpiece.encode_pair("", "", ids, segments);
  EXPECT_EQ(ids, (Ids{2, 3, 3}));
}

TEST_F(WordPieceTest, PairsAreCut) {
  const auto tokenizer = load();
  const auto& wordpiece = dynamic_cast<const WordPiece&>(*tokenizer);
  Ids ids;
  std::vector<int32_t> segments;
  wordpiece.encode_pair("un un , un", "aff aff", 7, ids, segments);
  EXPECT_EQ(ids, (Ids{2, 5, 5, 3, 9, 9, 3}));
  EXPECT_EQ(segments, (std::vector<int32_t>{0, 0, 0, 0, 1, 1, 1}));
  wordpiece.encode_pair("un", "aff aff . aff", 6, ids, segments);
  EXPECT_EQ(ids, (Ids{2, 5, 3, 9, 9, 3}));
  wordpiece.encode_pair("un un", "aff aff", 6, ids, segments);
  EXPECT_EQ(ids, (Ids{2, 5, 3, 9, 9, 3}));
  wordpiece.encode_pair("un", "aff", 3, ids, segments);
  EXPECT_EQ(ids, (Ids{2, 3, 3}));
  wordpiece.encode_pair("un , un", std::nullopt, 4, ids, segments);
  EXPECT_EQ(ids, (Ids{2, 5, 10, 3}));
  const auto error = [&](std::optional<std::string_view> b, int64_t max_length) {
    return thrown_text<UsageError>(
        [&] { wordpiece.encode_pair("un", b, max_length, ids, segments); });
  };
  EXPECT_EQ(error(std::nullopt, 1), "max_length 1 does not hold [CLS] and the [SEP] of a text");
  EXPECT_EQ(error("aff", 2), "max_length 2 does not hold [CLS] and the [SEP] of two texts");
  EXPECT_EQ(error("aff", -5), "max_length -5 does not hold [CLS] and the [SEP] of two texts");
}

TEST_F(WordPieceTest, ExposesItsSpecialTokens) {
  const auto tokenizer = load();
  const auto& wordpiece = dynamic_cast<const WordPiece&>(*tokenizer);
  EXPECT_EQ(wordpiece.special_ids().pad, 0);
  EXPECT_EQ(wordpiece.special_ids().unknown, 1);
  EXPECT_EQ(wordpiece.special_ids().cls, 2);
  EXPECT_EQ(wordpiece.special_ids().sep, 3);
  EXPECT_EQ(wordpiece.special_ids().mask, 4);
  EXPECT_EQ(tokenizer->end_of_text(), 3);
  EXPECT_EQ(tokenizer->vocab_size(), 14);
  EXPECT_EQ(encode(*tokenizer, "un[MASK]aff"), (Ids{5, 4, 9}));
  EXPECT_TRUE(wordpiece.continues_word(5, 6));
  EXPECT_FALSE(wordpiece.continues_word(6, 5));
  EXPECT_EQ(tokenizer->token_text(6), "##aff");
}

TEST_F(WordPieceTest, DecodesAsHfDoes) {
  const auto tokenizer = load();
  EXPECT_EQ(tokenizer->decode({2, 5, 6, 7, 10, 9, 11, 3}, false), "[CLS] unaffable, aff. [SEP]");
  EXPECT_EQ(tokenizer->decode({2, 5, 6, 7, 10, 9, 11, 3}, true), "unaffable, aff.");
  EXPECT_EQ(tokenizer->decode({2, 6, 5}, true), "##aff un");
  EXPECT_EQ(tokenizer->decode({5, 12, 13}, true), "un ' s");
  EXPECT_EQ(thrown_text<DataError>([&] { tokenizer->decode({14}, false); }),
            "tokenizer: no token has id '14' (vocabulary of 14)");
}

TEST_F(WordPieceTest, InvalidUtf8IsReplacedAndThenCleanedAway) {
  EXPECT_EQ(encode(*load(), "u\xffn\xc3"), Ids{5});
}

TEST_F(WordPieceTest, ConfigBesideVocabTxtIsHonoured) {
  const std::string uncased = load()->hash();
  write_file_atomic(dir_ / "tokenizer_config.json", R"({"do_lower_case": false})");
  const auto cased = load();
  EXPECT_EQ(encode(*cased, "un UN"), (Ids{5, 1}));
  EXPECT_NE(cased->hash(), uncased);
  write_file_atomic(dir_ / "tokenizer_config.json",
                    R"({"do_lower_case": true, "strip_accents": false})");
  EXPECT_EQ(encode(*load(), "Un \u00daN"), (Ids{5, 1}));
  write_file_atomic(dir_ / "tokenizer_config.json", R"({"do_lower_case": "yes"})");
  EXPECT_EQ(
      thrown_text<DataError>([&] { load(); }),
      path("tokenizer_config.json") + ": 'do_lower_case' must be true or false, found string");
}

TEST_F(WordPieceTest, WhatIsWrittenReadsAsTheSame) {
  for (const bool lowercase : {true, false}) {
    WordPieceVocabulary vocabulary = dynamic_cast<const WordPiece&>(*load()).vocabulary();
    vocabulary.normalizer.lowercase = lowercase;
    vocabulary.normalizer.strip_accents = !lowercase;
    vocabulary.normalizer.handle_chinese_chars = false;
    vocabulary.max_word_chars = 7;
    vocabulary.clean_up_decoded = false;
    const WordPiece written(vocabulary);
    const TempDir out;
    written.save(out.path());
    const auto read = load_tokenizer(out.path().string());
    EXPECT_EQ(read->hash(), written.hash());
    EXPECT_EQ(read->decode({5, 10}, false), "un ,");
    EXPECT_EQ(read_file(out / "vocab.txt"), kVocab);
  }
}

TEST_F(WordPieceTest, VocabTxtWithWindowsLineEnds) {
  std::string vocab = kVocab;
  for (size_t at = 0; (at = vocab.find('\n', at)) != std::string::npos; at += 2)
    vocab.insert(at, 1, '\r');
  EXPECT_EQ(load(vocab)->hash(), load()->hash());
}

TEST_F(WordPieceTest, BadVocabTxt) {
  const std::string specials = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  EXPECT_EQ(error_of_vocab(specials), "nothing was thrown");
  EXPECT_EQ(error_of_vocab("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n"),
            ": the vocabulary lacks [MASK]; hint: BERT needs [PAD], [UNK], [CLS], [SEP] and "
            "[MASK]");
  EXPECT_EQ(error_of_vocab("[PAD]\n[CLS]\n[SEP]\na\n"),
            ": the vocabulary lacks [UNK], [MASK]; hint: BERT needs [PAD], [UNK], [CLS], [SEP] and "
            "[MASK]");
  EXPECT_EQ(error_of_vocab(specials + "a\nb\na\n"), ":8: token 'a' is in line 6 too");
  EXPECT_EQ(error_of_vocab(specials + "[UNK]\n"), ":6: token '[UNK]' is in line 2 too");
  EXPECT_EQ(error_of_vocab(specials + "\n"), ":6: expected a token, found an empty line");
  EXPECT_EQ(error_of_vocab(specials + "a\n\nb\n"), ":7: expected a token, found an empty line");
  EXPECT_EQ(error_of_vocab(specials + "caf\xe9\n"), ":6: the token is not valid UTF-8");
  EXPECT_EQ(error_of_vocab(""),
            ": the vocabulary lacks [PAD], [UNK], [CLS], [SEP], [MASK]; hint: BERT needs [PAD], "
            "[UNK], [CLS], [SEP] and [MASK]");
}

TEST_F(WordPieceTest, NoFileAndNotThatFile) {
  EXPECT_EQ(load_tokenizer((load(), path("vocab.txt")))->hash(), load()->hash());
  EXPECT_EQ(thrown_text<DataError>([&] { load_tokenizer(path("no/vocab.txt")); }),
            "tokenizer '" + path("no/vocab.txt") +
                "': no such file or folder; expected 'bytes', a folder with tokenizer.json, a "
                "tokenizer.json or a vocab.txt");
  for (const char* text : {"", "[PAD]\n[UNK]\n"}) {
    write_file_atomic(dir_ / "tokenizer.json", text);
    EXPECT_EQ(thrown_text<DataError>([&] { load_tokenizer(dir_.path().string()); }),
              path("tokenizer.json") + ": damaged JSON at byte " + (*text == 0 ? "1" : "2"));
  }
}

TEST_F(WordPieceTest, OldTokenizerJsonNamesNoType) {
  EXPECT_EQ(error_of_json([](json& t) { t["model"].erase("type"); }), "nothing was thrown");
  EXPECT_EQ(error_of_json([](json& t) { t["added_tokens"] = json::array(); }),
            "nothing was thrown");
  EXPECT_EQ(error_of_json([](json& t) {
              t["post_processor"] = {{"type", "BertProcessing"}};
            }),
            "nothing was thrown");
}

TEST_F(WordPieceTest, SpecialTokensMayStandInAddedTokensBehindTheVocabulary) {
  EXPECT_EQ(error_of_json([](json& t) { t["model"]["vocab"].erase("[MASK]"); }),
            "added token '[MASK]' has id 4, a gap in the vocabulary, but `tokenizers` gives it "
            "another (hint: put the token into the vocabulary)");
  EXPECT_EQ(error_of_json([](json& t) {
              t["model"]["vocab"]["b"] = 4;
              t["model"]["vocab"].erase("[MASK]");
              t["added_tokens"][4]["id"] = 14;
            }),
            "nothing was thrown");
}

TEST_F(WordPieceTest, GoesWithoutTheTemplateOfBertWhereAsked) {
  WordPieceVocabulary vocabulary = dynamic_cast<const WordPiece&>(*load()).vocabulary();
  EXPECT_TRUE(vocabulary.has_template);
  vocabulary.has_template = false;
  const WordPiece causal(vocabulary);
  const TempDir copy;
  causal.save(copy.path());
  const auto file = json::parse(read_file(copy / "tokenizer.json"));
  EXPECT_TRUE(file["post_processor"].is_null());
  const auto config = json::parse(read_file(copy / "tokenizer_config.json"));
  EXPECT_EQ(config["tokenizer_class"], "PreTrainedTokenizerFast");
  const auto again = load_tokenizer(copy.path().string());
  EXPECT_FALSE(dynamic_cast<const WordPiece&>(*again).vocabulary().has_template);
  EXPECT_EQ(again->hash(), load()->hash());
}

TEST_F(WordPieceTest, TextGoesOnInPiecesAsItDecodes) {
  const auto tokenizer = load();
  std::vector<TokenId> ids;
  for (TokenId id = 0; id < tokenizer->vocab_size(); ++id)
    ids.push_back(id);
  std::string joined = tokenizer->token_text(ids[0]);
  for (size_t i = 1; i < ids.size(); ++i)
    joined += tokenizer->continuation_text(ids[i]);
  EXPECT_EQ(joined, tokenizer->decode(ids, /*skip_special=*/false));
  EXPECT_EQ(joined.find("##"), std::string::npos);
}

TEST_F(WordPieceTest, NamesWhatIsNotSupported) {
  EXPECT_EQ(error_of_json([](json& t) { t["normalizer"] = nullptr; }),
            "normalizer 'none' is not supported; expected BertNormalizer");
  EXPECT_EQ(error_of_json([](json& t) { t["pre_tokenizer"]["type"] = "Whitespace"; }),
            "pre-tokenizer 'Whitespace' is not supported; expected BertPreTokenizer");
  EXPECT_EQ(error_of_json([](json& t) { t["decoder"] = nullptr; }),
            "decoder 'none' is not supported; expected WordPiece");
  EXPECT_EQ(error_of_json([](json& t) { t["post_processor"]["single"].erase(0); }),
            "post-processor 'TemplateProcessing of another form' is not supported; expected "
            "BertProcessing or the TemplateProcessing of BERT");
  EXPECT_EQ(error_of_json([](json& t) { t["model"]["continuing_subword_prefix"] = "@@"; }),
            "model.continuing_subword_prefix '@@' is not supported; expected ##");
  EXPECT_EQ(error_of_json([](json& t) { t["model"]["unk_token"] = "<unk>"; }),
            "model.unk_token '<unk>' is not supported; expected [UNK]");
}

TEST_F(WordPieceTest, DamagedTokenizerJson) {
  EXPECT_EQ(error_of_json([](json& t) {
              t["model"]["vocab"].erase("[MASK]");
              t["model"]["vocab"].erase("[UNK]");
              t["added_tokens"] = json::array();
            }),
            path("tokenizer_config.json") +
                ": special token '[UNK]' is not in the vocabulary, where no token has "
                "id 1; expected no gap, into which the next one would fall");
  EXPECT_EQ(error_of_json([](json& t) { t["model"]["vocab"].erase("un"); }), "no token has id 5");
  EXPECT_EQ(error_of_json([](json& t) {
              t["model"]["vocab"].erase("[MASK]");
              t["model"]["vocab"]["b"] = 4;
              t["added_tokens"] = json::array();
            }),
            "nothing was thrown")
      << "[MASK] comes behind the vocabulary, as in `transformers`";
  EXPECT_EQ(error_of_json([](json& t) { t["model"]["vocab"]["s"] = 12; }),
            "tokens ''' and 's' have the same id 12");
  EXPECT_EQ(error_of_json([](json& t) { t["model"]["max_input_chars_per_word"] = -1; }),
            "'model.max_input_chars_per_word' must be a number from 0 to 1000000, found number");
  EXPECT_EQ(error_of_json([](json& t) { t["normalizer"]["lowercase"] = 1; }),
            "'normalizer.lowercase' must be true or false, found number");
}

TEST_F(WordPieceTest, DamagedBytesAreErrorsOrHarmless) {
  load()->save(dir_.path());
  const std::string whole = read_file(path("tokenizer.json"));
  constexpr std::string_view kBytes = "{}[]\",:0129eE-ab\\\x80";
  RandomText random(32);
  int num_errors = 0;
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = whole;
    for (int64_t n = 1 + random.below(3); n > 0; --n) {
      const int64_t at = random.below(static_cast<int64_t>(whole.size()));
      damaged[static_cast<size_t>(at)] =
          kBytes[static_cast<size_t>(random.below(static_cast<int64_t>(kBytes.size())))];
    }
    std::filesystem::remove(path("tokenizer.json"));  // and no sync: thousands of times
    std::ofstream(path("tokenizer.json"), std::ios::binary) << damaged;
    try {
      const auto tokenizer = load_tokenizer(path("tokenizer.json"));
      tokenizer->decode(encode(*tokenizer, "unaffable [MASK] x"), false);
    } catch (const DataError&) {
      ++num_errors;
    }
  }
  EXPECT_GT(num_errors, 500);
  EXPECT_LT(num_errors, 2000);
}

}  // namespace
}  // namespace apollo
