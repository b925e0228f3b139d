// model.size: one number, the parameters of the final model, from which sizes, batch and learning
// rate follow by rules that are the same for every architecture. `apollo train TEXT` takes its
// sizes from them too.
//
// * Width: at least 32, and a multiple of an eighth of the power of two below it: of 4 below 64, of
//   8 below 128, of 64 from 512 on, of 128 from 1024 on.
// * Layers: of all models within 3 % of the size the one whose depth is nearest to a layer for each
//   32 of width up to 12 layers, and for each 64 of width from 768 on. No model has more than twice
//   or less than half of these. Depths are 2 to 10 and then multiples of 4 or 6, which growth in
//   stages can divide. Where no model is within 3 %, the nearest one is taken.
// * Heads: as many as make a head's width nearest to 64, and a multiple of kv_heads.
// * Batch: 4,096 tokens a step times the square root of the millions of parameters, as a power of
//   two, at least 2,048.
// * Learning rate: 0.256 / width, which meets the best ones of our grids: 8e-3 at width 32, 4e-3 at
//   64 (docs/results/methods.md).
//
// All weights count, tied ones once. What else shapes a model (kv_heads, head_dim, inner_width,
// tie_embeddings, context) keeps its value and is counted.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.h"
#include "config/resolved_config.h"

namespace apollo {

// How far a model may be from model.size: 7 %. The rules stay within it wherever they choose width
// and depth and the embedding leaves room for a model at all.
inline constexpr double kSizeTolerance = 0.07;

// Sizes that are given. Those without a value are chosen.
struct GivenSizes {
  std::optional<int64_t> layers = {};
  std::optional<int64_t> width = {};
  std::optional<int64_t> heads = {};
};

struct ModelSizes {
  int64_t layers = 0;
  int64_t width = 0;
  int64_t heads = 0;
  int64_t parameters = 0;  // of this model

  bool operator==(const ModelSizes&) const = default;
};

// Returns the model nearest to `parameters` by the rules above, or the nearest one that `given`
// allows, whatever its distance. Reads the other keys of config.model.
ModelSizes choose_sizes(const RunConfig& config, int64_t vocab_size, double parameters,
                        const GivenSizes& given = {});

// Returns the number of sequences in a step, at least 1.
int64_t batch_size_for(double parameters, int64_t context);
double lr_for(int64_t width);

// Carries out model.size: fills the keys that it sets and that nobody else has set, with origin
// "model.size". The vocabulary is model.vocab_size or what data.tokenizer says: the size to be
// trained, or that of the tokenizer it names. Returns faults: the vocabulary is not known,
// model.from states the sizes already, or the model is further from model.size than kSizeTolerance,
// because of the vocabulary or of keys that are set. Does nothing if model.size is empty or if keys
// that it reads are not valid, which validate() reports.
std::vector<Diagnostic> take_size(ResolvedConfig& resolved);

}  // namespace apollo
