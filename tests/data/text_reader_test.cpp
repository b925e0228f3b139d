#include "data/text_reader.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "data/helpers.h"
#include "support/temp_dir.h"
#include "text/byte_level.h"
#include "text/byte_level_bpe.h"
#include "text/tokenizer.h"
#include "text/utf8.h"
#include "text/wordpiece.h"

namespace apollo {
namespace {

using Documents = std::vector<std::vector<std::string>>;

Documents read_pieces(const std::filesystem::path& path,
                      size_t piece_bytes = TextOptions{}.piece_bytes) {
  TextReader reader(path, {.piece_bytes = piece_bytes});
  Documents documents(1);
  std::string piece;
  bool end_of_document = true;
  while (reader.next(piece, end_of_document)) {
    documents.back().push_back(piece);
    if (end_of_document) documents.emplace_back();
  }
  EXPECT_TRUE(documents.back().empty()) << "the last piece does not end its document";
  documents.pop_back();
  return documents;
}

std::string join(const std::vector<std::string>& pieces) {
  std::string text;
  for (const std::string& piece : pieces)
    text += piece;
  return text;
}

std::vector<std::string> read_documents(const std::filesystem::path& path,
                                        size_t piece_bytes = TextOptions{}.piece_bytes) {
  std::vector<std::string> texts;
  for (const auto& pieces : read_pieces(path, piece_bytes))
    texts.push_back(join(pieces));
  return texts;
}

// Ends of the pre-tokens of `text`, counted from `offset`.
void append_pre_token_ends(std::string_view text, std::vector<size_t>& ends) {
  size_t end = ends.empty() ? 0 : ends.back();
  while (!text.empty()) {
    const size_t length = pre_token_length(PreTokenizer::kGpt2, text);
    text.remove_prefix(length);
    ends.push_back(end += length);
  }
}

TEST(TextReader, SplitsAtSeparatorLinesOnly) {
  const TempDir dir;
  const auto path = write(dir / "a.txt",
                          "one\ntwo\n<|endoftext|>\n<|endoftext|>\n x <|endoftext|>\n"
                          "<|endoftext|> y\n<|endoftext|>\r\nthree\r\n<|endoftext|>");
  EXPECT_EQ(
      read_documents(path),
      (std::vector<std::string>{"one\ntwo\n", " x <|endoftext|>\n<|endoftext|> y\n", "three\r\n"}));
}

TEST(TextReader, DropsByteOrderMarkAtTheStartOnly) {
  const TempDir dir;
  const auto path = write(dir / "a.txt", "\xEF\xBB\xBF<|endoftext|>\nx\xEF\xBB\xBFy");
  EXPECT_EQ(read_documents(path), (std::vector<std::string>{"x\xEF\xBB\xBFy"}));
  const auto jsonl = write(dir / "a.jsonl", "\xEF\xBB\xBF{\"text\": \"x\"}");
  EXPECT_EQ(read_documents(jsonl), (std::vector<std::string>{"x"}));
}

TEST(TextReader, ReadsJsonLines) {
  const TempDir dir;
  const auto path = write(dir / "a.jsonl",
                          "{\"id\": 1, \"text\": \"a\\nb\\u00e9\"}\n\n{\"text\": \"\"}\r\n"
                          "{\"text\": \"<|endoftext|>\\nc\", \"text2\": 3}");
  EXPECT_EQ(read_documents(path), (std::vector<std::string>{"a\nb\xC3\xA9", "<|endoftext|>\nc"}));
}

TEST(TextReader, NamesDamagedJsonLines) {
  const TempDir dir;
  const auto path = dir / "a.jsonl";
  const auto text_of = [&](const std::string& line) {
    write(path, "{\"text\": \"fine\"}\n" + line);
    return error_text<DataError>([&] { read_documents(path); });
  };
  const std::string at = path.string() + ":2";
  const std::string damaged =
      ": damaged JSON (in jsonl every line is an object with a field 'text')";
  EXPECT_EQ(text_of("{\"text\": \"cut"), at + ":14" + damaged);
  EXPECT_EQ(text_of("{\"text\": \"a\"} x\n"), at + ":15" + damaged);
  EXPECT_EQ(text_of("plain text\n"), at + ":1" + damaged);
  EXPECT_EQ(text_of("[1]\n"), at + ": expected an object with a field 'text', found array");
  EXPECT_EQ(text_of("{\"content\": \"a\", \"id\": 1}\n"),
            at + ": no field 'text' (found 'content', 'id') (hint: data.text_field or "
                 "--text-field names another)");
  EXPECT_EQ(text_of("{}\n"),
            at + ": no field 'text' (found none) (hint: data.text_field or --text-field "
                 "names another)");
  EXPECT_EQ(text_of("{\"text\": null}\n"), at + ": field 'text': expected a string, found null");
}

TEST(TextReader, NamesFilesWithoutText) {
  const TempDir dir;
  for (const std::string content : {"\xEF\xBB\xBF", "<|endoftext|>\n", "<|endoftext|>"}) {
    const auto path = write(dir / "a.txt", content);
    EXPECT_EQ(error_text<DataError>([&] { read_documents(path); }),
              path.string() + ": file holds no text");
  }
  const auto jsonl = write(dir / "a.jsonl", "{\"text\": \"\"}\n\n");
  EXPECT_EQ(error_text<DataError>([&] { read_documents(jsonl); }),
            jsonl.string() + ": file holds no text");
  const auto gz = write(dir / "a.txt.gz", gzip(""));
  EXPECT_EQ(error_text<DataError>([&] { read_documents(gz); }),
            gz.string() + ": file holds no text");
}

TEST(TextReader, RefusesFormsThatAreNoText) {
  const TempDir dir;
  const auto path = write(dir / "a.json.gz", gzip("[]"));
  EXPECT_EQ(error_text<DataError>([&] { read_documents(path); }),
            path.string() +
                ": expected plain text or .jsonl (a JSON object with a field 'text' a line), each "
                "as it is or as .gz, .xz or .zst; found a file of form '.json'");
}

TEST(TextReader, ReplacesAndCountsInvalidUtf8) {
  const TempDir dir;
  const auto path = write(dir / "a.txt",
                          "a\xFF"
                          "b\xE2\x80\nc\xED\xA0\x80");
  TextReader reader(path, {.piece_bytes = 4});
  std::string text;
  std::string piece;
  bool end_of_document = false;
  while (reader.next(piece, end_of_document))
    text += piece;
  EXPECT_EQ(text,
            "a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\nc\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(reader.num_invalid_sequences(), 5);
  const auto jsonl = write(dir / "a.jsonl", "{\"text\": \"x\xFF\"}");
  EXPECT_EQ(read_documents(jsonl), (std::vector<std::string>{"x\xEF\xBF\xBD"}));
}

// Tests the invariant of text_reader.h with the pre-tokeniser itself: ids can differ only where
// pre-tokens do.
TEST(TextReader, PiecesHaveThePreTokensOfTheDocument) {
  const TempDir dir;
  std::mt19937_64 random(7);
  int64_t num_cuts = 0;
  for (int trial = 0; trial < 1000; trial++) {
    const std::string text = random_text(random, 1 + random() % 400, /*with_invalid=*/true);
    std::string repaired;
    repair_utf8(text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text, repaired);
    if (repaired.empty()) continue;
    std::vector<size_t> expected;
    append_pre_token_ends(repaired, expected);
    for (const size_t piece_bytes : {24, 50, 100}) {
      const Documents documents = read_pieces(write(dir / "a.txt", text), piece_bytes);
      ASSERT_EQ(documents.size(), 1u);
      ASSERT_EQ(join(documents[0]), repaired);
      std::vector<size_t> found;
      for (const std::string& piece : documents[0])
        append_pre_token_ends(piece, found);
      num_cuts += static_cast<int64_t>(documents[0].size()) - 1;
      ASSERT_EQ(found, expected) << "piece_bytes " << piece_bytes << ", trial " << trial;
    }
  }
  EXPECT_GT(num_cuts, 10000);
}

TEST(TextReader, PiecesHaveTheIdsOfTheDocumentUnderGpt2) {
  const char* data = std::getenv("APOLLO_DATA");
  const std::filesystem::path folder =
      std::filesystem::path(data != nullptr ? data : APOLLO_SOURCE_DIR "/../shared/data") /
      "tokenizers" / "gpt2";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const auto tokenizer = load_tokenizer(folder.string());
  const TempDir dir;
  std::mt19937_64 random(8);
  const std::string text = random_text(random, 100000);
  std::vector<TokenId> expected;
  tokenizer->encode(text, expected, /*parse_special=*/false);
  for (const size_t piece_bytes : {64, 1000, 30000}) {
    std::vector<TokenId> found;
    const Documents documents = read_pieces(write(dir / "a.txt", text), piece_bytes);
    for (const std::string& piece : documents[0]) {
      tokenizer->encode(piece, found, /*parse_special=*/false);
    }
    EXPECT_EQ(found, expected);
  }
}

AddedToken added_token(TokenId id, const std::string& text) {
  AddedToken token;
  token.id = id;
  token.text = text;
  return token;
}

// Pieces of any size have the ids of the document, whatever the added tokens look at or include,
// and with a prefix space.
void expect_ids_of_the_document(const Tokenizer& tokenizer, uint64_t seed) {
  const TempDir dir;
  std::mt19937_64 random(seed);
  const std::vector<std::string> parts = {"the",    " ",         "\n",        "\t", "  ",
                                          "boat",   "a b",       "Caf\u00e9", "s",  "<x>",
                                          "\u00a0", " the boat", "."};
  int64_t num_cuts = 0;
  for (int trial = 0; trial < 60; trial++) {
    std::string text = "x";
    for (int i = 0; i < 120; i++)
      text += parts[random() % parts.size()];
    std::vector<TokenId> expected;
    tokenizer.encode(text, expected, /*parse_special=*/false);
    const auto path = write(dir / "a.txt", text);
    for (const size_t piece_bytes : {1, 2, 3, 5, 8, 13, 21, 55, 200}) {
      TextReader reader(path, {.tokenizer = &tokenizer, .piece_bytes = piece_bytes});
      std::vector<TokenId> found;
      std::string piece;
      std::string joined;
      bool begins = true;
      bool ends = false;
      bool is_forced = false;
      while (reader.next(piece, ends)) {
        tokenizer.encode_piece(piece, begins, found);
        joined += piece;
        begins = false;
        num_cuts += ends ? 0 : 1;
        // If nothing can be cut for long, a document is cut at any character.
        is_forced = is_forced || piece.size() + 4 > 16 * piece_bytes;
      }
      ASSERT_EQ(joined, text);
      if (!is_forced) ASSERT_EQ(found, expected) << "piece_bytes " << piece_bytes << ": " << text;
    }
  }
  EXPECT_GT(num_cuts, 1000);
}

TEST(TextReader, PiecesHaveTheIdsOfTheDocumentWithAddedTokensOfEveryKind) {
  for (int flags = 0; flags < 32; flags++) {
    BpeVocabulary vocabulary = make_bytes_vocabulary();
    vocabulary.tokens.push_back("ab");
    vocabulary.merges = {{'a', 'b', 257}};
    vocabulary.add_prefix_space = (flags & 1) != 0;
    TokenId id = 258;
    for (const char* text : {"boat", "a b", " the boat", "<x>", "the\n"}) {
      AddedToken token = added_token(id++, text);
      token.lstrip = (flags & 2) != 0;
      token.rstrip = (flags & 4) != 0;
      token.single_word = (flags & 8) != 0;
      token.normalized = (flags & 16) != 0 && id % 2 == 0;
      vocabulary.added.push_back(token);
    }
    SCOPED_TRACE(flags);
    expect_ids_of_the_document(ByteLevelBpe(vocabulary), static_cast<uint64_t>(flags) + 1);
  }
}

// Merges across ".\n" and " x" show a cut where the pattern allows none.
TEST(TextReader, PiecesHaveTheIdsOfTheDocumentUnderTheFamilies) {
  for (const PreTokenizer kind :
       {PreTokenizer::kGpt2, PreTokenizer::kLlama3, PreTokenizer::kQwen}) {
    for (const bool nfc : {false, true}) {
      BpeVocabulary vocabulary = make_bytes_vocabulary();
      vocabulary.pre_tokenizer = kind;
      vocabulary.nfc = nfc;
      vocabulary.tokens.insert(vocabulary.tokens.end(),
                               {".\u010a", ".\u010a\u010a", "\u010a\u010a", "\u0120t"});
      vocabulary.merges = {{'.', '\n', 257}, {257, '\n', 258}, {'\n', '\n', 259}, {' ', 't', 260}};
      TokenId id = 261;
      for (const char* text : {"boat", "  ", " the boat", "the\n"}) {
        AddedToken token = added_token(id++, text);
        token.normalized = id % 2 == 0;
        vocabulary.added.push_back(token);
      }
      SCOPED_TRACE(std::string(enum_name(kind)) + (nfc ? " in NFC" : ""));
      expect_ids_of_the_document(ByteLevelBpe(vocabulary), 77);
    }
  }
}

TEST(TextReader, PiecesHaveTheIdsOfTheDocumentUnderBert) {
  for (int flags = 0; flags < 32; flags++) {
    WordPieceVocabulary vocabulary;
    vocabulary.tokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "boat", "a",
                         "b",     "s",     "cafe",  "##s",   "##b",    "##a", "x",    "."};
    vocabulary.added = make_special_tokens("test", vocabulary.tokens);
    vocabulary.normalizer.lowercase = (flags & 1) != 0;
    TokenId id = 16;
    for (const char* text : {"boat s", "a b", " the boat", "<x>", "Caf\u00e9"}) {
      AddedToken token = added_token(id++, text);
      token.lstrip = (flags & 2) != 0;
      token.rstrip = (flags & 4) != 0;
      token.single_word = (flags & 8) != 0;
      token.normalized = (flags & 16) != 0;
      vocabulary.added.push_back(token);
    }
    SCOPED_TRACE(flags);
    expect_ids_of_the_document(WordPiece(vocabulary), static_cast<uint64_t>(flags) + 100);
  }
}

TEST(TextReader, KnowsJsonLinesUnderAnyName) {
  const TempDir dir;
  const std::string rows = "{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
  const std::vector<std::string> documents = {"one", "two"};
  for (const char* name : {"a.JSONL", "a.jsonlines", "a.jl", "a.Ndjson", "part-00000",
                           "a.jsonl.txt", "a.txt", "a.json"}) {
    EXPECT_EQ(read_documents(write(dir / name, rows)), documents) << name;
    EXPECT_EQ(read_documents(write(dir / (std::string(name) + ".GZ"), gzip(rows))), documents);
    EXPECT_EQ(read_documents(write(dir / (std::string(name) + "_"), "\n" + rows)), documents);
  }
  EXPECT_EQ(read_documents(write(dir / "packed.txt", gzip(rows))), documents);
  const std::string code = "{\n  \"text\": \"one\"\n}\n";
  for (const std::string text : {code, std::string("{x}\n"), "[" + rows}) {
    EXPECT_EQ(read_documents(write(dir / "b.txt", text)), (std::vector<std::string>{text}));
  }
}

TEST(TextReader, SaysWhatATextWasTakenFor) {
  const TempDir dir;
  const auto taken_for = [&](const std::string& name, const std::string& content) {
    return TextReader(write(dir / name, content)).taken_for();
  };
  EXPECT_EQ(taken_for("a.txt", "{\"text\": \"one\"}"), "JSON lines");
  EXPECT_EQ(taken_for("b.txt", gzip("{\"text\": \"one\"}")), ".gz of JSON lines");
  EXPECT_EQ(taken_for("c.txt", gzip("one")), ".gz");
  EXPECT_EQ(taken_for("d.txt", "one"), "");
  EXPECT_EQ(taken_for("e.jsonl", "{\"text\": \"one\"}"), "");
  const TextReader other(write(dir / "f.txt", "{\"content\": \"one\"}\n"));
  EXPECT_TRUE(other.looks_like_other_json());
}

TEST(TextReader, NamesTheLineOfANumberBeyondAllLimits) {
  const TempDir dir;
  const auto path = write(dir / "a.jsonl", "{\"text\": \"a\"}\n{\"text\": \"b\", \"x\": 1e400}\n");
  EXPECT_EQ(error_text<DataError>([&] { read_documents(path); }),
            path.string() + ":2: a number is beyond what a double holds");
}

TEST(TextFiles, ReportsAllThatCannotBeUsed) {
  const TempDir dir;
  const auto a = write(dir / "a.txt", "a");
  const auto pdf = write(dir / "b.pdf", "b");
  EXPECT_EQ(error_text<DataError>([&] {
              TextFiles({a, pdf, dir / "none.txt"});
            }),
            "2 files cannot be used:\n  " + error_text<DataError>([&] { TextFiles({pdf}); }) +
                "\n  " + (dir / "none.txt").string() + ": no such file");
}

TEST(TextReader, PiecesOfJsonAreThoseOfPlainText) {
  const TempDir dir;
  std::mt19937_64 random(9);
  const std::string text = "x" + random_text(random, 5000);
  const auto plain = write(dir / "a.txt", text);
  const auto jsonl = write(dir / "a.jsonl", nlohmann::json({{"text", text}}).dump());
  for (const size_t piece_bytes : {8, 100, 5000}) {
    EXPECT_EQ(read_pieces(plain, piece_bytes), read_pieces(jsonl, piece_bytes));
  }
}

TEST(TextReader, PrefersLineEndsAndBoundsPieces) {
  const TempDir dir;
  EXPECT_EQ(read_pieces(write(dir / "a.txt", "aa bb\ncc dd ee\n"), 10),
            (Documents{{"aa bb", "\ncc dd ee\n"}}));
  EXPECT_EQ(read_pieces(write(dir / "b.txt", "aaa bbb ccc"), 9), (Documents{{"aaa bbb", " ccc"}}));
  const Documents stretched = read_pieces(write(dir / "c.txt", std::string(40, 'a') + " b"), 10);
  EXPECT_EQ(stretched, (Documents{{std::string(40, 'a'), " b"}}));
  // Without any white space: at a character, not within one.
  std::string long_word;
  for (int i = 0; i < 1000; i++)
    long_word += "\xE4\xB8\xAD";
  const Documents forced = read_pieces(write(dir / "d.txt", long_word), 10);
  ASSERT_EQ(join(forced[0]), long_word);
  for (const std::string& piece : forced[0])
    EXPECT_LE(piece.size(), 160u);
  EXPECT_EQ(forced[0].size(), 19u);
}

TEST(TextReader, FindsSeparatorsWhereverPiecesEnd) {
  const TempDir dir;
  std::mt19937_64 random(10);
  for (int trial = 0; trial < 300; trial++) {
    std::vector<std::string> documents;
    std::string text;
    for (size_t i = 0; i < 5; i++) {
      documents.push_back("x" + random_text(random, random() % 30) + "\n");
      text += documents.back() + "<|endoftext|>\n";
    }
    EXPECT_EQ(read_documents(write(dir / "a.txt", text), 8), documents);
  }
  // A word that is cut by force must not look like a separator line afterwards.
  const std::string word = std::string(160, 'a') + "<|endoftext|>\nb";
  EXPECT_EQ(read_documents(write(dir / "b.txt", word), 10), (std::vector<std::string>{word}));
}

TEST(TextReader, ReadsMoreThanOneBlock) {
  const TempDir dir;
  std::mt19937_64 random(11);
  std::vector<std::string> documents;
  std::string text;
  for (int i = 0; i < 20; i++) {
    documents.push_back("x" + random_text(random, 100000) + "\n");
    text += documents.back() + "<|endoftext|>\n";
  }
  for (const std::string suffix : {"", ".gz", ".xz", ".zst"}) {
    EXPECT_EQ(read_documents(write(dir / ("a.txt" + suffix), compress(text, suffix))), documents)
        << suffix;
  }
}

TEST(TextFiles, ReadsAllAndKeepsTheirHashes) {
  const TempDir dir;
  const auto a = write(dir / "a.txt", "a\n");
  const auto b = write(dir / "b.jsonl.gz", gzip("{\"text\": \"b\"}\n{\"text\": \"c\xFF\"}\n"));
  TextFiles files({a, b});
  std::vector<std::string> texts;
  std::string piece;
  bool end_of_document = false;
  while (files.next(piece, end_of_document)) {
    EXPECT_TRUE(end_of_document);
    texts.push_back(piece);
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"a\n", "b", "c\xEF\xBF\xBD"}));
  EXPECT_EQ(files.num_invalid_sequences(), 1);
  EXPECT_EQ(files.bytes_read(), files.total_bytes());
  ASSERT_EQ(files.sources().size(), 2u);
  EXPECT_EQ(files.sources()[0].bytes, 2);
  EXPECT_EQ(files.sources()[1].name, b.string());
  EXPECT_EQ(files.sources()[1].hash, hash_file(b));
}

TEST(TextFiles, LooksForAllFilesFirst) {
  const TempDir dir;
  const auto a = write(dir / "a.txt", "a\n");
  const auto missing = dir / "missing.txt";
  EXPECT_EQ(error_text<DataError>([&] {
              TextFiles({a, missing});
            }),
            missing.string() + ": no such file");
  EXPECT_EQ(error_text<DataError>([] { TextFiles({}); }), "no text files were given");
}

}  // namespace
}  // namespace apollo
