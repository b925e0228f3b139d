// What the rest of the program knows of a tokenizer: text <-> ids, size, identity, files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/token_roles.h"

namespace apollo {

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Appends the ids of `text` (UTF-8; invalid sequences become U+FFFD, as HF does) to `ids`.
  // Thread-safe. With `parse_special` special tokens spelled out in the text (for example
  // "<|endoftext|>") become their ids, as HF does; without, they are ordinary text. Nothing is put
  // around the text, no [CLS] and [SEP] either (WordPiece::encode_pair() does).
  virtual void encode(std::string_view text, std::vector<TokenId>& ids,
                      bool parse_special = true) const = 0;

  // Appends the ids of one piece of a document of training data. What the piece spells of special
  // tokens is ordinary text: someone wrote it. The ids of all pieces are those of the document
  // where they were cut as may_cut() allows.
  virtual void encode_piece(std::string_view text, bool /*begins_document*/,
                            std::vector<TokenId>& ids) const {
    encode(text, ids, /*parse_special=*/false);
  }

  // Whether a document may be cut at `place` of `text`, where white space follows a character that
  // is none: no added token ends, begins or lies there. Looks at cut_reach() bytes on both sides.
  virtual bool may_cut(std::string_view /*text*/, size_t /*place*/) const { return true; }
  virtual size_t cut_reach() const { return 0; }

  // Text of `ids`; unknown ids throw DataError. Incomplete UTF-8 becomes U+FFFD.
  virtual std::string decode(const std::vector<TokenId>& ids, bool skip_special) const = 0;

  // The bytes that one id stands for (not necessarily whole characters).
  virtual std::string token_text(TokenId id) const = 0;

  // What `id` adds to a text that goes on: token_text(), but for WordPiece, which joins or spaces.
  virtual std::string continuation_text(TokenId id) const { return token_text(id); }

  // One more than the largest id.
  virtual int64_t vocab_size() const = 0;

  // Whether a token has this id; whether it is a special one. For is_special(), `id` is below
  // vocab_size().
  virtual bool is_token(TokenId id) const = 0;
  virtual bool is_special(TokenId id) const = 0;

  // Whether `right` goes on in the word in which `left` stands or ends, as whole-word masking asks.
  virtual bool continues_word(TokenId left, TokenId right) const = 0;

  // Which token does what, as the tokenizer's files say.
  virtual const TokenRoles& roles() const = 0;

  // Ends a document in training data and so stands before the next one; nothing where the
  // tokenizer has no such token.
  virtual std::optional<TokenId> end_of_text() const {
    return roles().eos ? roles().eos : roles().sep;
  }

  // Stands before every text that a causal model reads, where the tokenizer's files say so, as
  // <|begin_of_text|> of Llama 3.
  virtual std::optional<TokenId> begin_of_text() const { return std::nullopt; }

  // Identity: equal for tokenizers that give equal ids.
  virtual std::string hash() const = 0;

  // Writes tokenizer.json, tokenizer_config.json and the kind's plain files (vocab.json and
  // merges.txt, or vocab.txt) into the existing folder `dir`, as `transformers` reads them.
  virtual void save(const std::filesystem::path& dir) const = 0;
};

// Reads a tokenizer from a folder with tokenizer.json (or vocab.json/encoder.json and
// merges.txt/vocab.bpe, or BERT's vocab.txt), from a run's folder, which stands for its latest
// checkpoint, from a tokenizer.json or vocab.txt itself, or makes the built-in "bytes" (256 byte
// values and <|endoftext|>). What stands beside these decides too (tokenizer_config.h). Throws
// DataError where it is missing, damaged or of a kind that this program does not read (named).
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& spec);
// Whether load_tokenizer() would find one among the files of a model's folder.
bool has_tokenizer(const std::filesystem::path& folder);

}  // namespace apollo
