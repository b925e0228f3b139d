// The parts around the model in the tokenizer.json of a byte-level BPE: normaliser, pre-tokenizer,
// post-processor and decoder, read and written.
#pragma once

#include "base/json_lines.h"
#include "text/bpe_vocabulary.h"
#include "text/json_section.h"

namespace apollo {

// Reads the normaliser, the pre-tokenizer and the prefix space of a file into `vocabulary`. Throws
// DataError that names what is not supported.
void read_bpe_pipeline(const Section& root, BpeVocabulary& vocabulary);

// Returns the tokens that the file puts around a text; `ids` and vocabulary.added must be known. A
// RobertaProcessing puts two separators between two texts; only the first is kept, because no model
// here is trained on two.
TokensAround read_tokens_around(const Section& root, const TokenIds& ids,
                                const BpeVocabulary& vocabulary);

// Where no file names a role: [CLS] and [SEP] are the tokens around a text, one before it alone
// begins it and one behind it alone ends it.
void fill_roles_from_around(BpeVocabulary& vocabulary);

Json normalizer_json(const BpeVocabulary& vocabulary);
Json pre_tokenizer_json(const BpeVocabulary& vocabulary);
Json post_processor_json(const BpeVocabulary& vocabulary);
Json decoder_json();

}  // namespace apollo
