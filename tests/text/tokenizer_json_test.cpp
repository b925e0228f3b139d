#include "text/tokenizer_json.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"
#include "text/byte_level_bpe.h"
#include "text/json_section.h"
#include "text/random_text.h"

namespace apollo {
namespace {

using json = nlohmann::json;

json small_tokenizer() {
  return json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
    "added_tokens": [{"id": 4, "content": "<s>", "special": true, "normalized": false}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false},
    "post_processor": {"type": "ByteLevel"}, "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2, "c": 3},
              "merges": ["a b"]}})");
}

class TokenizerJson : public ::testing::Test {
 protected:
  std::string path() const { return (dir_ / "tokenizer.json").string(); }

  BpeVocabulary read(const std::string& text) {
    std::filesystem::remove(path());  // and no sync: thousands of times
    std::ofstream(path(), std::ios::binary) << text;
    return read_bpe_json(path(), parse_json_file(path()));
  }

  // What reading the small tokenizer says after `change`, without the path in front.
  std::string error(const std::function<void(json&)>& change) {
    json tokenizer = small_tokenizer();
    change(tokenizer);
    return error_of(tokenizer.dump());
  }

  std::string error_of(const std::string& text) {
    try {
      read(text);
    } catch (const DataError& error) {
      const std::string message = error.what();
      EXPECT_TRUE(message.starts_with(path() + ": ")) << message;
      return message.substr(path().size() + 2);
    }
    return "no error";
  }

  TempDir dir_;
};

TEST_F(TokenizerJson, ReadsBothFormsOfMerges) {
  json tokenizer = small_tokenizer();
  const BpeVocabulary strings = read(tokenizer.dump());
  EXPECT_EQ(strings.merges, (std::vector<Merge>{{0, 1, 2}}));
  EXPECT_EQ(strings.tokens, (std::vector<std::string>{"a", "b", "ab", "c"}));
  ASSERT_EQ(strings.added.size(), 1u);
  EXPECT_EQ(strings.added[0].text, "<s>");
  EXPECT_TRUE(strings.added[0].special);
  tokenizer["model"]["merges"] = json::array({json::array({"a", "b"})});
  EXPECT_EQ(hash_vocabulary(read(tokenizer.dump())), hash_vocabulary(strings));
}

TEST_F(TokenizerJson, AcceptsWhatChangesNothing) {
  EXPECT_EQ(error([](json& t) { t["post_processor"] = nullptr; }), "no error");
  EXPECT_EQ(error([](json& t) {
              t["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", {t["pre_tokenizer"]}}};
            }),
            "no error");
  EXPECT_EQ(error([](json& t) {
              t["post_processor"] = {{"type", "TemplateProcessing"},
                                     {"single", {{{"Sequence", {{"id", "A"}}}}}}};
            }),
            "no error");
  EXPECT_EQ(error([](json& t) {
              t["post_processor"] = {
                  {"type", "TemplateProcessing"},
                  {"single", {{{"SpecialToken", {{"id", "<s>"}}}}, {{"Sequence", {{"id", "A"}}}}}}};
            }),
            "no error");
  EXPECT_EQ(error([](json& t) { t["model"]["dropout"] = 0.0; }), "no error");
}

TEST_F(TokenizerJson, NamesWhatIsNotSupported) {
  json unigram = small_tokenizer();
  unigram["model"]["type"] = "Unigram";
  write_file_atomic(path(), unigram.dump());
  EXPECT_EQ(thrown_text<DataError>([&] { read_tokenizer_json(path()); }),
            path() +
                ": model type 'Unigram (of SentencePiece)' is not supported; expected BPE or "
                "WordPiece");
  EXPECT_EQ(error([](json& t) {
              t["normalizer"] = {{"type", "Lowercase"}};
            }),
            "normalizer 'Lowercase' is not supported; expected none or NFC");
  EXPECT_EQ(error([](json& t) {
              t["normalizer"] = {{"type", "Prepend"}};
            }),
            "normalizer 'Prepend (of SentencePiece)' is not supported; expected none or NFC");
  EXPECT_EQ(error([](json& t) {
              t["pre_tokenizer"] = {{"type", "Whitespace"}};
            }),
            "pre-tokenizer 'Whitespace' is not supported; expected ByteLevel, or Split and "
            "ByteLevel");
  EXPECT_EQ(error([](json& t) { t["pre_tokenizer"] = nullptr; }),
            "pre-tokenizer 'none' is not supported; expected ByteLevel, or Split and ByteLevel");
  EXPECT_EQ(error([](json& t) { t["pre_tokenizer"]["use_regex"] = false; }),
            "pre_tokenizer.use_regex 'false' is not supported; expected true (the pattern of "
            "GPT-2), or a Split before it");
  EXPECT_EQ(error([](json& t) { t["decoder"]["type"] = "Metaspace"; }),
            "decoder 'Metaspace (of SentencePiece)' is not supported; expected ByteLevel");
  EXPECT_EQ(error([](json& t) { t["model"]["byte_fallback"] = true; }),
            "model.byte_fallback 'true (of SentencePiece)' is not supported; expected false");
  EXPECT_EQ(error([](json& t) { t["model"]["dropout"] = 0.1; }),
            "model.dropout '0.1' is not supported; expected none");
  EXPECT_EQ(error([](json& t) { t["model"]["end_of_word_suffix"] = "</w>"; }),
            "model.end_of_word_suffix '</w>' is not supported; expected none");
}

json split_pre_tokenizer(PreTokenizer kind) {
  return {{"type", "Sequence"},
          {"pretokenizers",
           {{{"type", "Split"},
             {"pattern", {{"Regex", pre_token_pattern(kind)}}},
             {"behavior", "Isolated"},
             {"invert", false}},
            {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", false}}}}};
}

TEST_F(TokenizerJson, ReadsThePatternsOfFamilies) {
  for (const PreTokenizer kind : {PreTokenizer::kLlama3, PreTokenizer::kQwen}) {
    json tokenizer = small_tokenizer();
    tokenizer["pre_tokenizer"] = split_pre_tokenizer(kind);
    tokenizer["normalizer"] = {{"type", "NFC"}};
    const BpeVocabulary vocabulary = read(tokenizer.dump());
    EXPECT_EQ(vocabulary.pre_tokenizer, kind);
    EXPECT_TRUE(vocabulary.nfc);
    EXPECT_NE(hash_vocabulary(vocabulary), hash_vocabulary(read(small_tokenizer().dump())));
  }
}

TEST_F(TokenizerJson, NamesPatternsThatAreNotSupported) {
  const auto error_with = [&](const std::function<void(json&)>& change) {
    return error([&](json& t) {
      t["pre_tokenizer"] = split_pre_tokenizer(PreTokenizer::kQwen);
      change(t["pre_tokenizer"]["pretokenizers"]);
    });
  };
  EXPECT_EQ(error_with([](json&) {}), "no error");
  EXPECT_EQ(error_with([](json& list) { list[0]["pattern"]["Regex"] = R"(\w+|\s)"; }),
            R"(pre_tokenizer.pattern '\w+|\s' is not supported; expected the pattern of GPT-2, )"
            "Llama 3 or Qwen");
  EXPECT_EQ(error_with([](json& list) { list[0]["behavior"] = "Removed"; }),
            "pre_tokenizer.behavior 'Removed' is not supported; expected Isolated");
  EXPECT_EQ(error_with([](json& list) { list[0]["invert"] = true; }),
            "pre_tokenizer.invert 'true' is not supported; expected false");
  EXPECT_EQ(error_with([](json& list) { list[1]["use_regex"] = true; }),
            "pre_tokenizer.use_regex 'true' is not supported; expected false behind a Split");
  EXPECT_EQ(
      error_with([](json& list) { list[1]["add_prefix_space"] = true; }),
      "pre_tokenizer.add_prefix_space 'true' is not supported; expected false behind a Split");
  EXPECT_EQ(error_with([](json& list) {
              list[0] = {{"type", "Digits"}};
            }),
            "pre-tokenizer 'Sequence of Digits, ByteLevel' is not supported; expected ByteLevel, "
            "or Split and ByteLevel");
}

TEST_F(TokenizerJson, TokensAroundAText) {
  const auto piece = [](const char* kind, const char* id) {
    return json{{kind, {{"id", id}, {"type_id", 0}}}};
  };
  const json text = piece("Sequence", "A");
  const json mark = piece("SpecialToken", "<s>");
  const auto with_template = [&](const json& single, const json& pair) {
    json t = small_tokenizer();
    t["post_processor"] = {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}};
    return t;
  };
  const json begin = with_template({mark, text}, {mark, text, mark, text});
  EXPECT_EQ(read(begin.dump()).around, (TokensAround{{4}, std::nullopt}));
  json sequence = small_tokenizer();
  sequence["post_processor"] = {{"type", "Sequence"},
                                {"processors", {{{"type", "ByteLevel"}}, begin["post_processor"]}}};
  EXPECT_EQ(read(sequence.dump()).around, (TokensAround{{4}, std::nullopt}));
  const json both = with_template({mark, text, mark}, {mark, text, mark, text, mark});
  EXPECT_EQ(read(both.dump()).around, (TokensAround{{4}, 4}));
  EXPECT_EQ(error_of(with_template({mark, text, mark}, {mark, text, text, mark}).dump()),
            "post-processor 'TemplateProcessing of another form for two texts' is not supported; "
            "expected [CLS] text [SEP] text [SEP]");
  for (const json& single :
       {json({mark}), json({text, mark, mark}), json({text, text}), json({mark, mark, text})}) {
    EXPECT_EQ(error_of(with_template(single, json::array()).dump()),
              "post-processor 'TemplateProcessing of another form' is not supported; expected "
              "at most one token before the text and one behind it");
  }
  EXPECT_EQ(error_of(with_template({piece("SpecialToken", "<t>"), text}, json::array()).dump()),
            "'post_processor.single' names the token '<t>', which is not there");
  json other_id = begin;
  other_id["post_processor"]["special_tokens"]["<s>"] = {
      {"id", "<s>"}, {"ids", {3}}, {"tokens", {"<s>"}}};
  EXPECT_EQ(error_of(other_id.dump()),
            "'post_processor.special_tokens' gives '<s>' the id 3, but the vocabulary 4");
  sequence["post_processor"]["processors"][0]["type"] = "Digits";
  EXPECT_EQ(error_of(sequence.dump()),
            "post-processor 'Sequence with Digits' is not supported; expected none, ByteLevel, "
            "TemplateProcessing, RobertaProcessing or BertProcessing");
}

TEST_F(TokenizerJson, HostileFiles) {
  EXPECT_EQ(error_of(""), "damaged JSON at byte 1");
  const std::string whole = small_tokenizer().dump();
  for (size_t length = 1; length < whole.size(); length += 7) {
    EXPECT_EQ(error_of(whole.substr(0, length)),
              "damaged JSON at byte " + std::to_string(length + 1));
  }
  EXPECT_EQ(error_of("[1]"), "expected a JSON object, found array");
  EXPECT_EQ(error_of("{}"), "'model' is missing");
  EXPECT_TRUE(error_of("{\"a\": 1e999}").starts_with("damaged JSON: "));
  EXPECT_EQ(error([](json& t) { t["decoder"] = 3; }), "'decoder' must be an object, found number");
  EXPECT_EQ(error([](json& t) { t["model"] = 3; }), "'model' must be an object, found number");
  EXPECT_EQ(error([](json& t) { t["model"].erase("vocab"); }), "'model.vocab' is missing");
  EXPECT_EQ(error([](json& t) { t["model"]["vocab"] = json::array(); }),
            "the vocabulary must be an object of tokens and ids, found array of 0");
  EXPECT_EQ(error([](json& t) { t["model"]["merges"] = "a b"; }),
            "'model.merges' must be an array, found string");
  EXPECT_EQ(error([](json& t) { t["model"]["fuse_unk"] = "no"; }),
            "'model.fuse_unk' must be true or false, found string");
  EXPECT_EQ(error([](json& t) { t["model"]["unk_token"] = "<unk>"; }),
            "'model.unk_token' '<unk>' is not in the vocabulary");
}

TEST_F(TokenizerJson, DamagedBytesAreErrorsOrHarmless) {
  const std::string whole = small_tokenizer().dump();
  const std::string kBytes = "{}[]\",:0129eE-ab\\\x80";
  RandomText random(6);
  int num_errors = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = whole;
    for (int64_t n = 1 + random.below(3); n > 0; --n) {
      const int64_t at = random.below(static_cast<int64_t>(whole.size()));
      damaged[static_cast<size_t>(at)] =
          kBytes[static_cast<size_t>(random.below(std::ssize(kBytes)))];
    }
    try {
      const ByteLevelBpe bpe(read(damaged));
      std::vector<TokenId> ids;
      bpe.encode("abc<s>", ids, true);
      bpe.decode(ids, false);
    } catch (const DataError&) {
      ++num_errors;
    }
  }
  EXPECT_GT(num_errors, 2000);
  EXPECT_LT(num_errors, 3000);
}

TEST_F(TokenizerJson, HostileIds) {
  EXPECT_EQ(error([](json& t) { t["model"]["vocab"]["c"] = "3"; }),
            "id of token 'c' must be an integer, found string");
  EXPECT_EQ(error([](json& t) { t["model"]["vocab"]["c"] = 2; }),
            "tokens 'ab' and 'c' have the same id 2");
  EXPECT_EQ(error([](json& t) { t["model"]["vocab"]["c"] = -1; }),
            "id -1 of token 'c' is out of range for a vocabulary of 4 tokens");
  EXPECT_EQ(error([](json& t) { t["model"]["vocab"]["c"] = 2000000000; }),
            "id 2000000000 of token 'c' is out of range for a vocabulary of 4 tokens");
  EXPECT_EQ(error([](json& t) { t["model"]["vocab"]["c"] = 18446744073709551615u; }),
            "id 18446744073709551615 of token 'c' is out of range for a vocabulary of 4 tokens");
  EXPECT_EQ(error([](json& t) { t["added_tokens"][0]["id"] = 3; }),
            "tokens 'c' and '<s>' have the same id 3");
  EXPECT_EQ(error([](json& t) { t["added_tokens"][0]["content"] = "c"; }),
            "added token 'c' has id 4, but 3 in the vocabulary");
  EXPECT_EQ(error([](json& t) { t["added_tokens"][0]["content"] = ""; }),
            "'added_tokens[0].content' must be a string that is not empty, found string");
  EXPECT_EQ(error([](json& t) { t["added_tokens"].push_back(t["added_tokens"][0]); }),
            "added tokens '<s>' (id 4) and '<s>' (id 4) clash");
}

TEST_F(TokenizerJson, DuplicateKeys) {
  std::string text = small_tokenizer().dump();
  const size_t at = text.find("\"ab\":");
  ASSERT_NE(at, std::string::npos);
  text.insert(at, "\"ab\":7,");
  EXPECT_EQ(error_of(text), "key \"ab\" is there twice in one object");
}

TEST_F(TokenizerJson, HostileMerges) {
  EXPECT_EQ(error([](json& t) {
              t["model"]["merges"] = {"a b", "a x"};
            }),
            "merge 1: merge of 'a' and 'x': token 'x' is not in the vocabulary");
  EXPECT_EQ(error([](json& t) { t["model"]["merges"] = {"b a"}; }),
            "merge 0: merge of 'b' and 'a': token 'ba' is not in the vocabulary");
  EXPECT_EQ(error([](json& t) { t["model"]["merges"] = {"ab"}; }),
            "merge 0: expected two tokens with a space between, found 'ab'");
  EXPECT_EQ(error([](json& t) { t["model"]["merges"] = {3}; }),
            "merge 0: expected \"a b\" or [\"a\", \"b\"], found 3");
}

TEST_F(TokenizerJson, WhatIsWrittenReadsAsTheSame) {
  BpeVocabulary vocabulary = make_bytes_vocabulary();
  for (const char* token : {"he", "\"\\", "\u0120\u00e9"})
    vocabulary.tokens.push_back(token);
  vocabulary.merges = {{'h', 'e', 257}, {'"', '\\', 258}};
  AddedToken added;
  added.id = 260;  // behind the vocabulary
  added.text = "<pad> \u4e2d";
  added.lstrip = added.single_word = true;
  vocabulary.added.push_back(added);
  vocabulary.add_prefix_space = vocabulary.ignore_merges = vocabulary.fuse_unknown = true;
  vocabulary.unknown = 256;
  const ByteLevelBpe written(vocabulary);
  written.save(dir_.path());
  const auto read = load_tokenizer(dir_.path().string());
  EXPECT_EQ(read->hash(), written.hash());
  EXPECT_EQ(load_tokenizer(path())->hash(), written.hash());
  EXPECT_EQ(read->vocab_size(), 261);
  RandomText random(5);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random.text();
    std::vector<TokenId> expected;
    std::vector<TokenId> found;
    written.encode(text, expected, true);
    read->encode(text, found, true);
    ASSERT_EQ(found, expected) << text;
  }
}

TEST_F(TokenizerJson, BytesSurviveTheirFiles) {
  const auto bytes = load_tokenizer("bytes");
  bytes->save(dir_.path());
  EXPECT_EQ(load_tokenizer(dir_.path().string())->hash(), bytes->hash());
  std::filesystem::remove(path());  // now from vocab.json and merges.txt
  EXPECT_EQ(load_tokenizer(dir_.path().string())->hash(), bytes->hash());
}

TEST_F(TokenizerJson, PlainFilesWithErrors) {
  const std::string merges = (dir_ / "merges.txt").string();
  write_file_atomic(dir_ / "vocab.json", R"({"a": 0, "b": 1, "ab": 2, "<|endoftext|>": 3})");
  write_file_atomic(merges, "#version: 0.2\r\na b\r\n\r\n");
  EXPECT_EQ(load_tokenizer(dir_.path().string())->end_of_text(), 3);
  write_file_atomic(merges, "#version: 0.2\na b\nb c\n");
  try {
    load_tokenizer(dir_.path().string());
    ADD_FAILURE();
  } catch (const DataError& error) {
    EXPECT_EQ(error.what(),
              merges + ":3: merge of 'b' and 'c': token 'c' is not in the vocabulary");
  }
}

TEST_F(TokenizerJson, NothingToLoad) {
  const auto message = [](const std::string& spec) -> std::string {
    try {
      load_tokenizer(spec);
    } catch (const DataError& error) {
      return error.what();
    }
    return "no error";
  };
  EXPECT_EQ(message(dir_.path().string()),
            dir_.path().string() +
                ": no tokenizer here; expected tokenizer.json, vocab.json and merges.txt, "
                "encoder.json and vocab.bpe, or vocab.txt");
  EXPECT_EQ(message("no/such"),
            "tokenizer 'no/such': no such file or folder; expected 'bytes', a folder with "
            "tokenizer.json, a tokenizer.json or a vocab.txt");
}

}  // namespace
}  // namespace apollo
