// Roles, added tokens and options from the files beside a vocabulary, read as AutoTokenizer reads
// them.
#include "text/tokenizer_config.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"
#include "text/tokenizers_original.h"
#include "text/wordpiece.h"

namespace apollo {
namespace {

using json = nlohmann::json;

const char* const kBertTokens =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nThe\nboat\nBoat\ncafe\ncaf\u00e9\n\u4e2d\n##boat\n"
    "river\n##river\n##e\n\u4e2d\u6587\nt\n##he\nb\n##oat\n##\u6587\n";

json bpe_file(bool add_prefix_space = false) {
  return {{"version", "1.0"},
          {"truncation", nullptr},
          {"padding", nullptr},
          {"normalizer", nullptr},
          {"added_tokens", json::array()},
          {"pre_tokenizer",
           {{"type", "ByteLevel"},
            {"add_prefix_space", add_prefix_space},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"post_processor", nullptr},
          {"decoder",
           {{"type", "ByteLevel"},
            {"add_prefix_space", true},
            {"trim_offsets", true},
            {"use_regex", true}}},
          {"model",
           {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", false},
            {"byte_fallback", false},
            {"vocab",
             {{"a", 0},
              {"b", 1},
              {"ab", 2},
              {"\u0120", 3},
              {"</s>", 4},
              {"<s>", 5},
              {"<pad>", 6},
              {"<|endoftext|>", 7}}},
            {"merges", {"a b"}}}}};
}

json added(TokenId id, const std::string& text, bool special, bool normalized) {
  return {{"id", id},        {"content", text},    {"single_word", false},    {"lstrip", false},
          {"rstrip", false}, {"special", special}, {"normalized", normalized}};
}

json decoder_entry(const std::string& text, bool special) {
  json entry = added(0, text, special, !special);
  entry.erase("id");
  return entry;
}

class TokenizerConfigTest : public ::testing::Test {
 protected:
  void write(const std::string& name, const json& content) {
    write_file_atomic(dir_ / name, content.dump());
  }
  std::unique_ptr<Tokenizer> load() { return load_tokenizer(dir_.path().string()); }

  // Returns what is logged while the folder loads.
  std::string said() {
    testing::internal::CaptureStderr();
    load();
    return testing::internal::GetCapturedStderr();
  }

  std::vector<TokenId> ids(const std::string& text) {
    std::vector<TokenId> found;
    load()->encode(text, found);
    return found;
  }

  // Roles, and ids of the texts, are those of AutoTokenizer; TearDown() asks it once for all.
  void expect_as_auto(const Strings& texts) {
    const auto tokenizer = load();
    json roles = json::object();
    for (const TokenRoleName& role : kTokenRoleNames) {
      if (const auto id = tokenizer->roles().*role.id) roles[std::string(role.key)] = *id;
    }
    json all = json::array();
    for (const std::string& text : texts)
      all.push_back(ids(text));
    ask(dir_.path(), texts, {{"ids", all}, {"roles", roles}});
  }

  // What AutoTokenizer puts around a text is what it puts there by the tokenizer's own copy.
  void expect_around(const std::vector<TokenId>& before, std::optional<TokenId> after) {
    std::vector<TokenId> whole = before;
    load()->encode("ab", whole);
    if (after) whole.push_back(*after);
    const TempDir copy;
    load()->save(copy.path());
    for (const auto& folder : {dir_.path(), copy.path()})
      ask(folder, {"ab"}, {{"ids", json::array({whole})}, {"roles", nullptr}}, /*bare=*/false);
  }

  void ask(const std::filesystem::path& folder, const Strings& texts, const json& expected,
           bool bare = true) {
    const std::filesystem::path copy = asked_ / std::to_string(cases_.size());
    std::filesystem::copy(folder, copy);
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    cases_.push_back({{"folder", copy.string()},
                      {"texts", texts},
                      {"bare", bare},
                      {"expected", expected},
                      {"what", fmt::format("{} {}", test->name(), note_)}});
  }

  void TearDown() override {
    if (cases_.empty()) return;
    write_file_atomic(dir_ / "cases", cases_.dump());
    run_python(kScript,
               "auto '" + (dir_ / "cases").string() + "' '" + (dir_ / "out").string() + "'");
    const json found = json::parse(read_file(dir_ / "out"));
    for (size_t i = 0; i < cases_.size(); ++i) {
      const json& expected = cases_[i]["expected"];
      EXPECT_EQ(expected["ids"], found[i]["ids"]) << cases_[i]["what"] << cases_[i]["texts"];
      expect_roles(expected["roles"], found[i]["roles"], cases_[i]["what"]);
    }
  }

  // Where no file names an end of a text, <|endoftext|> and the five tokens of BERT have roles
  // here, and none there.
  static void expect_roles(json ours, const json& theirs, const std::string& what) {
    if (ours.is_null()) return;
    if (!theirs.contains("eos_token") && !theirs.contains("sep_token")) {
      json named = json::object();
      for (const auto& [key, id] : theirs.items())
        named[key] = ours[key];
      ours = named;
    }
    EXPECT_EQ(ours, theirs) << what;
  }

  TempDir asked_;
  json cases_ = json::array();
  std::string note_;
  TempDir dir_;
};

TEST_F(TokenizerConfigTest, RolesAreReadWhereTheyStand) {
  write("tokenizer.json", bpe_file());
  EXPECT_EQ(load()->end_of_text(), 7) << "nothing named: <|endoftext|> of the vocabulary";
  EXPECT_EQ(load()->roles().pad, std::nullopt);

  write("special_tokens_map.json", {{"eos_token", {{"content", "</s>"}}}, {"pad_token", "<pad>"}});
  EXPECT_EQ(load()->end_of_text(), 4);
  EXPECT_EQ(load()->roles().pad, 6);

  write("tokenizer_config.json", {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                  {"eos_token", "<pad>"},
                                  {"bos_token", {{"content", "<s>"}, {"lstrip", false}}}});
  EXPECT_EQ(load()->end_of_text(), 4) << "the older file wins without added_tokens_decoder";
  EXPECT_EQ(load()->roles().bos, 5);

  write("tokenizer_config.json", {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                  {"eos_token", "<pad>"},
                                  {"added_tokens_decoder", json::object()}});
  EXPECT_EQ(load()->end_of_text(), 6);

  write("tokenizer_config.json",
        {{"tokenizer_class", "GPT2TokenizerFast"}, {"added_tokens_decoder", json::object()}});
  EXPECT_EQ(load()->end_of_text(), 7) << "the default of the class";
}

TEST_F(TokenizerConfigTest, RolesDecideAboutIdsAndIdentity) {
  write("tokenizer.json", bpe_file());
  const std::string usual = load()->hash();
  EXPECT_EQ(ids("ab</s>").size(), 1u) << "an ordinary text without a role";
  write("tokenizer_config.json",
        {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"eos_token", "</s>"}});
  EXPECT_NE(load()->hash(), usual);
  EXPECT_EQ(ids("ab</s>"), (std::vector<TokenId>{2, 4}));
  std::vector<TokenId> ordinary;
  load()->encode("ab</s>", ordinary, /*parse_special=*/false);
  EXPECT_EQ(ordinary, (std::vector<TokenId>{2}));
}

TEST_F(TokenizerConfigTest, ATokenOutsideOfTheVocabularyGetsTheNextId) {
  write("tokenizer.json", bpe_file());
  write("tokenizer_config.json",
        {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"eos_token", "<eot>"}});
  EXPECT_EQ(load()->end_of_text(), 8);
  EXPECT_EQ(load()->vocab_size(), 9);
  EXPECT_NE(said().find((dir_ / "tokenizer_config.json").string() +
                        ": special token '<eot>' is not in the vocabulary; it gets id 8, the next "
                        "one that is free, as `transformers` gives it (hint: a model must have an "
                        "embedding for it)"),
            std::string::npos);
  expect_as_auto({"ab<eot>ba"});
}

// Roles come first, in the order of `transformers`, then tokens with names of their own in the
// order of the file, then the list; those of the vocabulary keep their ids.
TEST_F(TokenizerConfigTest, SpecialTokensGetTheIdsOfAutoTokenizer) {
  const Strings texts = {"ab<ent>a b<img>ab<aud>", "<pad>a <s> b<mask> a", "</s><a1><z1>ab"};
  const json parts = {
      {{"additional_special_tokens", {"<ent>", "</s>"}}},
      {{"extra_special_tokens", {"<ent>", "<s>"}}, {"additional_special_tokens", {"<a1>"}}},
      {{"extra_special_tokens", {{"z_token", "<z1>"}, {"a_token", "<a1>"}}}},
      {{"pad_token", "<ent>"}, {"mask_token", "<mask>"}, {"bos_token", "<pad>"}},
      {{"image_token", "<img>"}, {"audio_token", "<aud>"}, {"unk_token", "<mask>"}},
      {{"eos_token", "</s>"}, {"sep_token", "</s>"}, {"cls_token", "<s>"}},
      {{"eos_token", nullptr}, {"bos_token", "<s>"}}};
  for (const char* name : {"PreTrainedTokenizerFast", "GPT2Tokenizer", "RobertaTokenizer"}) {
    for (json config : parts) {
      for (const bool has_file : {true, false}) {
        if (!has_file && name == std::string("PreTrainedTokenizerFast")) continue;
        config["tokenizer_class"] = name;
        write("config.json", {{"model_type", "gpt2"}});
        write("vocab.json", bpe_file()["model"]["vocab"]);
        write_file_atomic(dir_ / "merges.txt", "#version: 0.2\na b\n");
        std::filesystem::remove(dir_ / "tokenizer.json");
        if (has_file) write("tokenizer.json", bpe_file());
        write("tokenizer_config.json", config);
        note_ = config.dump() + (has_file ? " tokenizer.json" : " vocab.json");
        expect_as_auto(texts);
      }
    }
  }
}

TEST_F(TokenizerConfigTest, ANameMayHoldAnyCharacter) {
  write("tokenizer.json", bpe_file());
  write_file_atomic(dir_ / "tokenizer_config.json",
                    R"({"tokenizer_class": "GPT2Tokenizer", "i\u0000mage_token": "<img>"})");
  EXPECT_EQ(ids("a<img>"), (std::vector<TokenId>{0, 8}));
}

TEST_F(TokenizerConfigTest, FlagsOfANamedTokenCount) {
  write("vocab.json", bpe_file()["model"]["vocab"]);
  write_file_atomic(dir_ / "merges.txt", "#version: 0.2\na b\n");
  write("config.json", {{"model_type", "roberta"}});
  json mask = decoder_entry("<mask>", true);
  mask.erase("special");
  mask["lstrip"] = true;
  write("special_tokens_map.json", {{"mask_token", mask}, {"additional_special_tokens", {"<x>"}}});
  EXPECT_EQ(ids("a  <mask> b"), (std::vector<TokenId>{0, 9, 3, 1})) << "behind <unk>";
  expect_as_auto({"a  <mask> b", "a <x>  <mask>", "<pad> <s>"});
}

TEST_F(TokenizerConfigTest, TokensAroundATextAreThoseOfAutoTokenizer) {
  write("config.json", {{"model_type", "roberta"}});
  write("vocab.json", bpe_file()["model"]["vocab"]);
  write_file_atomic(dir_ / "merges.txt", "#version: 0.2\na b\n");
  expect_around({5}, 4);
  write("tokenizer.json", bpe_file());
  expect_around({5}, 4);

  std::filesystem::remove(dir_ / "tokenizer.json");
  write("config.json", {{"model_type", "gpt2"}});
  json config = {{"tokenizer_class", "GPT2Tokenizer"}, {"bos_token", "<s>"}};
  for (const bool bos : {false, true}) {
    for (const bool eos : {false, true}) {
      config["add_bos_token"] = bos;
      config["add_eos_token"] = eos;
      write("tokenizer_config.json", config);
      note_ = config.dump();
      expect_around(bos ? std::vector<TokenId>{5} : std::vector<TokenId>{},
                    eos ? std::optional<TokenId>(7) : std::nullopt);
    }
  }
}

TEST_F(TokenizerConfigTest, APostProcessorNamesRolesWhereNoFileDoes) {
  for (const char* type : {"RobertaProcessing", "BertProcessing"}) {
    json file = bpe_file();
    file["post_processor"] = {{"type", type}, {"cls", {"<s>", 5}}, {"sep", {"</s>", 4}}};
    if (type == std::string("RobertaProcessing")) {
      file["post_processor"]["trim_offsets"] = true;
      file["post_processor"]["add_prefix_space"] = false;
    }
    write("tokenizer.json", file);
    write("tokenizer_config.json", {{"tokenizer_class", "PreTrainedTokenizerFast"}});
    EXPECT_EQ(load()->roles().cls, 5);
    EXPECT_EQ(load()->roles().sep, 4);
    EXPECT_EQ(load()->end_of_text(), 4) << "and not <|endoftext|>";
    expect_around({5}, 4);
    write("tokenizer_config.json",
          {{"tokenizer_class", "PreTrainedTokenizerFast"}, {"eos_token", "<|endoftext|>"}});
    EXPECT_EQ(load()->end_of_text(), 7) << "what a file names is believed";
    expect_as_auto({"ab</s>"});

    file["post_processor"]["sep"] = {"</s>", 6};
    write("tokenizer.json", file);
    EXPECT_EQ(thrown_text<DataError>([&] { load(); }),
              (dir_ / "tokenizer.json").string() +
                  ": 'post_processor.sep' gives '</s>' the id 6, but the vocabulary 4");
  }
}

TEST_F(TokenizerConfigTest, RolesAreWrittenBack) {
  write("tokenizer.json", bpe_file());
  write("tokenizer_config.json", {{"tokenizer_class", "PreTrainedTokenizerFast"},
                                  {"eos_token", "</s>"},
                                  {"bos_token", "<s>"},
                                  {"pad_token", "<pad>"}});
  const TempDir copy;
  load()->save(copy.path());
  const auto again = load_tokenizer(copy.path().string());
  EXPECT_EQ(again->roles(), load()->roles());
  EXPECT_EQ(again->hash(), load()->hash());
  const json config = json::parse(read_file(copy / "tokenizer_config.json"));
  EXPECT_EQ(config["eos_token"], "</s>");
  EXPECT_EQ(config["pad_token"], "<pad>");
  EXPECT_FALSE(config.contains("mask_token"));
  std::filesystem::remove(copy / "tokenizer.json");  // now from vocab.json and merges.txt
  EXPECT_EQ(load_tokenizer(copy.path().string())->hash(), load()->hash());
}

TEST_F(TokenizerConfigTest, AddedTokensBesideVocabTxt) {
  const TokenId n = 22;
  write_file_atomic(dir_ / "vocab.txt", kBertTokens);
  write("config.json", {{"model_type", "bert"}});
  const Strings texts = {"the [ENT] riverboat", "RiverBoat the[ENT]", "[MASK] Riverboats"};
  write("tokenizer_config.json", {{"tokenizer_class", "BertTokenizer"}});
  write("added_tokens.json", {{"[ENT]", n}, {"riverboat", n + 1}});
  write("special_tokens_map.json", {{"additional_special_tokens", {"[ENT]"}}});
  EXPECT_EQ(ids(texts[0]), (std::vector<TokenId>{5, n, n + 1}));
  EXPECT_EQ(load()->vocab_size(), n + 2);
  expect_as_auto(texts);

  json decoder;
  for (TokenId id = 0; id < 5; ++id)
    decoder[std::to_string(id)] = decoder_entry(std::string(kBertSpecialTokens[id]), true);
  decoder[std::to_string(n)] = decoder_entry("[ENT]", true);
  decoder[std::to_string(n + 1)] = decoder_entry("riverboat", false);
  write("tokenizer_config.json",
        {{"tokenizer_class", "BertTokenizer"}, {"added_tokens_decoder", decoder}});
  std::filesystem::remove(dir_ / "added_tokens.json");
  EXPECT_EQ(ids(texts[0]), (std::vector<TokenId>{5, n, n + 1}));
  expect_as_auto(texts);
}

TEST_F(TokenizerConfigTest, AddedTokensBesideVocabJson) {
  write("vocab.json", bpe_file()["model"]["vocab"]);
  write_file_atomic(dir_ / "merges.txt", "#version: 0.2\na b\n");
  write("config.json", {{"model_type", "gpt2"}});
  write("added_tokens.json", {{"<ent>", 8}, {"bab", 9}});
  const Strings texts = {"ab<ent>bab", "ab bab<|endoftext|>a"};
  EXPECT_EQ(ids(texts[0]), (std::vector<TokenId>{2, 8, 9}));
  expect_as_auto(texts);
}

TEST_F(TokenizerConfigTest, AGapBeforeAnAddedTokenIsClosedAsInTokenizers) {
  json file = bpe_file();
  file["added_tokens"] = {added(7, "<|endoftext|>", true, false), added(12, "bab", false, false)};
  write("tokenizer.json", file);
  EXPECT_EQ(ids("abab"), (std::vector<TokenId>{0, 8}));
  EXPECT_EQ(load()->vocab_size(), 9);
  EXPECT_NE(said().find("tokenizer.json: added token 'bab' has id 12 there, but `tokenizers` gives "
                        "it 8"),
            std::string::npos);
  const json original = run_original(dir_ / "tokenizer.json", {"abab"});
  EXPECT_EQ(original["ids"][0], json(ids("abab")));
}

// tokenizer.json may lowercase or not, and tokenizer_config.json may agree or not.
TEST_F(TokenizerConfigTest, OptionsOfBertAreThoseOfItsClass) {
  const Strings texts = {"The Boat caf\u00e9 \u4e2d\u6587", "the boat cafe"};
  for (const bool lowercase : {false, true}) {
    for (const json& config :
         {json{{"tokenizer_class", "BertTokenizer"}},
          json{{"tokenizer_class", "BertTokenizerFast"}, {"do_lower_case", false}},
          json{{"tokenizer_class", "BertTokenizer"}, {"strip_accents", false}},
          json{{"tokenizer_class", "BertTokenizer"}, {"tokenize_chinese_chars", false}},
          json{{"tokenizer_class", "PreTrainedTokenizerFast"}, {"do_lower_case", !lowercase}}}) {
      const TempDir fresh;
      write_file_atomic(dir_ / "vocab.txt", kBertTokens);
      std::filesystem::remove(dir_ / "tokenizer.json");
      write("tokenizer_config.json",
            {{"tokenizer_class", "BertTokenizer"}, {"do_lower_case", lowercase}});
      load()->save(fresh.path());
      std::filesystem::copy_file(fresh / "tokenizer.json", dir_ / "tokenizer.json");
      write("tokenizer_config.json", config);
      note_ = config.dump() + (lowercase ? " lower" : " cased");
      expect_as_auto(texts);
    }
  }
}

TEST_F(TokenizerConfigTest, ADifferenceOfTheFilesIsSaid) {
  write_file_atomic(dir_ / "vocab.txt", kBertTokens);
  load()->save(dir_.path());  // lower case
  write("tokenizer_config.json", {{"tokenizer_class", "BertTokenizer"}, {"do_lower_case", false}});
  const std::string config = (dir_ / "tokenizer_config.json").string();
  EXPECT_NE(said().find((dir_ / "tokenizer.json").string() +
                        ": 'normalizer.lowercase' is true, but do_lower_case of " + config +
                        " says false; the latter is believed, as `transformers` does (hint: make "
                        "the two files agree)"),
            std::string::npos)
      << said();
}

TEST_F(TokenizerConfigTest, PrefixSpaceIsThatOfTheClass) {
  const Strings texts = {"ab", "a b<|endoftext|>ab"};
  for (const bool in_json : {false, true}) {
    for (json config :
         {json{{"tokenizer_class", "GPT2TokenizerFast"}},
          json{{"tokenizer_class", "GPT2Tokenizer"}, {"add_prefix_space", !in_json}},
          json{{"tokenizer_class", "PreTrainedTokenizerFast"}, {"add_prefix_space", !in_json}}}) {
      write("tokenizer.json", bpe_file(in_json));
      config["eos_token"] = "<|endoftext|>";
      write("tokenizer_config.json", config);
      note_ = config.dump() + (in_json ? " prefix" : "");
      expect_as_auto(texts);
    }
  }
}

TEST_F(TokenizerConfigTest, DamagedFilesAreNamed) {
  write("tokenizer.json", bpe_file());
  write_file_atomic(dir_ / "added_tokens.json", "{");
  EXPECT_EQ(thrown_text<DataError>([&] { load(); }),
            (dir_ / "added_tokens.json").string() + ": damaged JSON at byte 2");
  write("added_tokens.json", {{"x", "y"}});
  EXPECT_EQ(
      thrown_text<DataError>([&] { load(); }),
      (dir_ / "added_tokens.json").string() + ": id of token 'x' must be an integer, found string");
  std::filesystem::remove(dir_ / "added_tokens.json");
  write("tokenizer_config.json", {{"added_tokens_decoder", {{"z", decoder_entry("x", true)}}}});
  EXPECT_EQ(thrown_text<DataError>([&] { load(); }),
            (dir_ / "tokenizer_config.json").string() +
                ": 'added_tokens_decoder': expected an id, found 'z'");
  write("tokenizer_config.json", {{"do_lower_case", "yes"}});
  EXPECT_EQ(thrown_text<DataError>([&] { load(); }),
            (dir_ / "tokenizer_config.json").string() +
                ": 'do_lower_case' must be true or false, found string");
}

}  // namespace
}  // namespace apollo
