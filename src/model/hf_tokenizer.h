// What `transformers` must be told of a tokenizer because of the model that it stands beside.
#pragma once

#include <cstdint>
#include <filesystem>

#include "text/tokenizer.h"

namespace apollo {

// Writes "model_max_length" into the tokenizer_config.json of `dir` where that says nothing, or
// more than `max_length`: without it `truncation=True` cuts nothing, and a long text fails inside
// of the model. Does nothing where the folder has no tokenizer. Throws DataError where the file is
// damaged.
void state_max_length(const std::filesystem::path& dir, int64_t max_length);

// Writes the tokenizer's files into `dir`, beside a model that reads `max_length` tokens, with a
// token to pad with: a batch of unequal texts needs one. Where the tokenizer has none, the token
// that ends documents serves. `takes_segments`: whether the model is told which tokens are of a
// second text (`token_type_ids`); one that is not refuses them.
void save_hf_tokenizer(const Tokenizer& tokenizer, const std::filesystem::path& dir,
                       int64_t max_length, bool takes_segments);

// Makes the tokenizer that save_hf_tokenizer() wrote put `token` before every text, and between the
// two texts of a pair.
void put_before_texts(const std::filesystem::path& dir, const Tokenizer& tokenizer, TokenId token);

}  // namespace apollo
