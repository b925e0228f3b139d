#include "text/wordpiece_trainer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "support/python_original.h"
#include "support/temp_dir.h"
#include "support/thrown_text.h"
#include "text/tokenizers_original.h"
#include "text/wordpiece.h"

namespace apollo {
namespace {

using Tokens = std::vector<std::string>;

WordPieceTrainerOptions quiet(int64_t vocab_size, int64_t num_threads = 1) {
  WordPieceTrainerOptions options;
  options.vocab_size = vocab_size;
  options.num_threads = num_threads;
  options.show_progress = false;
  return options;
}

// `text` in pieces of about `piece_bytes`, cut before a space.
TextSource in_pieces(const std::string& text, size_t piece_bytes) {
  return [&text, piece_bytes, at = size_t{0}](std::string& piece) mutable {
    if (at == text.size()) return false;
    const size_t end = std::min(text.find(' ', at + piece_bytes), text.size());
    piece = text.substr(at, end - at);
    at = end;
    return true;
  };
}

std::unique_ptr<Tokenizer> train(const std::string& text, const WordPieceTrainerOptions& options,
                                 size_t piece_bytes = 1 << 20) {
  return train_wordpiece(in_pieces(text, piece_bytes), options);
}

Tokens tokens_of(const Tokenizer& tokenizer) {
  return dynamic_cast<const WordPiece&>(tokenizer).vocabulary().tokens;
}

TEST(WordPieceTrainer, OrdersItsTokens) {
  const auto tokenizer = train("Hug hug h\u00fag pug PUG pun", quiet(16));
  EXPECT_EQ(tokens_of(*tokenizer),
            (Tokens{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "g", "h", "n", "p", "u", "##g",
                    "##n", "##u", "##ug", "hug", "pug"}));
  EXPECT_EQ(tokenizer->end_of_text(), 3);
}

TEST(WordPieceTrainer, CasedKeepsCaseAndAccents) {
  WordPieceTrainerOptions options = quiet(10);
  options.lowercase = false;
  const Tokens expected = {"[PAD]", "[UNK]", "[CLS]",  "[SEP]", "[MASK]",
                           "A",     "b",     "\u00e9", "##b",   "Ab"};
  EXPECT_EQ(tokens_of(*train("Ab Ab \u00e9", options)), expected);
}

TEST(WordPieceTrainer, RareCharactersDropOut) {
  WordPieceTrainerOptions options = quiet(10);
  options.alphabet_limit = 2;
  const Tokens expected = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]",
                           "a",     "b",     "##a",   "##b",   "##ab"};
  EXPECT_EQ(tokens_of(*train("xab xab xab ba", options)), expected);
}

TEST(WordPieceTrainer, SameForAnyThreadsAndPieces) {
  RandomText random(41);
  std::string text;
  while (text.size() < 200000)
    text += random.text() + " ";
  const std::string expected = train(text, quiet(2500))->hash();
  EXPECT_EQ(train(text, quiet(2500, 4))->hash(), expected);
  EXPECT_EQ(train(text, quiet(2500, 3), 1000)->hash(), expected);
}

TEST(WordPieceTrainer, Errors) {
  const auto message = [](const std::string& text, int64_t vocab_size) {
    return thrown_text<DataError>([&] { train(text, quiet(vocab_size)); });
  };
  EXPECT_EQ(message("ab ab", 100),
            "the text allows 9 tokens, but vocab_size is 100; hint: --vocab-size 9 or more text");
  EXPECT_EQ(message("ab ab", 8), "nothing was thrown");
  EXPECT_EQ(message("ab ab", 7),
            "the text's characters and the special tokens are 8 tokens, but vocab_size is 7; "
            "hint: --vocab-size 8 or more");
  EXPECT_EQ(message("", 100), "no text to train a tokenizer on: the files are empty");
  EXPECT_EQ(message(" \n\x01", 100), "no text to train a tokenizer on: the files are empty");
}

// `tokenizers` breaks ties by ids that it gives in random order; told ours, it must find the same.
class Trained : public ::testing::TestWithParam<bool> {};

TEST_P(Trained, IsThatOfTokenizersAndLoadsInTransformers) {
  const auto text_path = example_data() / "corpus/tinyshakespeare.txt";
  APOLLO_SKIP_WITHOUT_PYTHON();
  APOLLO_SKIP_WITHOUT(text_path);
  WordPieceTrainerOptions options = quiet(8192);
  options.lowercase = !GetParam();
  const std::string text = read_file(text_path);
  const auto ours = train(text, options, 1 << 16);
  const Tokens tokens = tokens_of(*ours);
  const auto is_base = [](const std::string& token) {
    return token.size() == 1 || (token.starts_with("##") && token.size() == 3);
  };
  Tokens first(tokens.begin(), tokens.begin() + 5);
  std::copy_if(tokens.begin() + 5, tokens.end(), std::back_inserter(first), is_base);

  const TempDir dir;
  write_file_atomic(dir / "first", nlohmann::json(first).dump());
  run_python(kScript, "train-wordpiece '" + text_path.string() + "' 8192 '" +
                          (dir / "first").string() + "' '" + (dir / "out").string() + "'" +
                          (GetParam() ? " --cased" : ""));
  EXPECT_EQ(nlohmann::json::parse(read_file(dir / "out")).get<Tokens>(), tokens);
  ours->save(dir.path());
  // A second start of `transformers` would only take time.
  const auto saved = GetParam() ? dir / "tokenizer.json" : dir.path();
  expect_equal(*ours, saved, random_texts(300, /*seed=*/42), /*parse_special=*/true, "--bare");
}

INSTANTIATE_TEST_SUITE_P(WordPieceParity, Trained, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Cased" : "Uncased"; });

}  // namespace
}  // namespace apollo
