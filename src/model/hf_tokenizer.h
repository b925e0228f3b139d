// What `transformers` must know about a tokenizer because of the model next to it.
#pragma once

#include <cstdint>
#include <filesystem>

#include "text/tokenizer.h"

namespace apollo {

// Writes "model_max_length" into the tokenizer_config.json of `dir` if it is missing there or
// larger than `max_length`. Without it `truncation=True` cuts nothing, and a long text fails inside
// the model. Does nothing if the folder has no tokenizer. Throws DataError if the file is damaged.
void state_max_length(const std::filesystem::path& dir, int64_t max_length);

// Writes the tokenizer's files into `dir`, for a model that reads `max_length` tokens, with a
// padding token, which a batch of texts of different lengths needs. If the tokenizer has none, the
// token that ends documents is used. `takes_segments`: whether the model is told which tokens
// belong to a second text (`token_type_ids`); other models reject that input.
void save_hf_tokenizer(const Tokenizer& tokenizer, const std::filesystem::path& dir,
                       int64_t max_length, bool takes_segments);

// Makes the tokenizer that save_hf_tokenizer() wrote put `token` before every text and between the
// two texts of a pair.
void put_before_texts(const std::filesystem::path& dir, const Tokenizer& tokenizer, TokenId token);

}  // namespace apollo
