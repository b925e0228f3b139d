// What the rest of the program knows about a tokenizer: text <-> ids, size, identity, files.
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

  // Appends the ids of `text` (UTF-8; invalid sequences become U+FFFD, as in HF) to `ids`.
  // Thread-safe. With `parse_special`, special tokens spelled out in the text (for example
  // "<|endoftext|>") become their ids, as in HF; otherwise they are ordinary text. No tokens are
  // added around the text, not even [CLS] and [SEP] (WordPiece::encode_pair() adds these).
  virtual void encode(std::string_view text, std::vector<TokenId>& ids,
                      bool parse_special = true) const = 0;

  // Appends the ids of one piece of a document of training data. Special tokens spelled out in the
  // piece are ordinary text, because someone wrote them. If the document was cut as may_cut()
  // allows, the ids of all pieces are those of the document.
  virtual void encode_piece(std::string_view text, bool /*begins_document*/,
                            std::vector<TokenId>& ids) const {
    encode(text, ids, /*parse_special=*/false);
  }

  // Whether a document may be cut at `place` of `text`, where white space follows a character that
  // is not white space. No added token may begin, end or lie there. Reads cut_reach() bytes on both
  // sides.
  virtual bool may_cut(std::string_view /*text*/, size_t /*place*/) const { return true; }
  virtual size_t cut_reach() const { return 0; }

  // Returns the text of `ids`; throws DataError for unknown ids. Incomplete UTF-8 becomes U+FFFD.
  virtual std::string decode(const std::vector<TokenId>& ids, bool skip_special) const = 0;

  // Returns the bytes that one id stands for (not necessarily whole characters).
  virtual std::string token_text(TokenId id) const = 0;

  // Returns what `id` adds to a text: token_text(), except for WordPiece, which joins or adds
  // spaces.
  virtual std::string continuation_text(TokenId id) const { return token_text(id); }

  // One more than the largest id.
  virtual int64_t vocab_size() const = 0;

  // Whether a token has this id, and whether it is a special token. For is_special(), `id` must be
  // below vocab_size().
  virtual bool is_token(TokenId id) const = 0;
  virtual bool is_special(TokenId id) const = 0;

  // Whether `right` continues the word in which `left` is; whole-word masking needs this.
  virtual bool continues_word(TokenId left, TokenId right) const = 0;

  // Returns which token has which role, as the tokenizer's files say.
  virtual const TokenRoles& roles() const = 0;

  // Returns the token that ends a document in training data and so precedes the next one; nothing
  // if the tokenizer has no such token.
  virtual std::optional<TokenId> end_of_text() const {
    return roles().eos ? roles().eos : roles().sep;
  }

  // Returns the token before every text that a causal model reads, if the tokenizer's files name
  // one, such as <|begin_of_text|> of Llama 3.
  virtual std::optional<TokenId> begin_of_text() const { return std::nullopt; }

  // Returns a hash that is equal for tokenizers that give equal ids.
  virtual std::string hash() const = 0;

  // Writes tokenizer.json, tokenizer_config.json and the kind's plain files (vocab.json and
  // merges.txt, or vocab.txt) into the existing folder `dir`, as `transformers` reads them.
  virtual void save(const std::filesystem::path& dir) const = 0;
};

// Reads a tokenizer from a folder with tokenizer.json (or vocab.json/encoder.json and
// merges.txt/vocab.bpe, or BERT's vocab.txt), from a run's folder, which means its latest
// checkpoint, or from a tokenizer.json or vocab.txt itself; or makes the built-in "bytes" (256 byte
// values and <|endoftext|>). Files beside these matter too (tokenizer_config.h). Throws DataError
// that names what is missing, damaged or not supported.
std::unique_ptr<Tokenizer> load_tokenizer(const std::string& spec);
// Whether load_tokenizer() would find one among the files of a model's folder.
bool has_tokenizer(const std::filesystem::path& folder);

}  // namespace apollo
