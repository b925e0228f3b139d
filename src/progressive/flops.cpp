// FLOPs and parameters of GPT-2 and BERT blocks. Both blocks hold the same products: QKV (3 w^2),
// output (w^2), MLP (8 w^2) per token, scores and mixing (T w each) per token.
#include "progressive/flops.h"

#include "base/error.h"

namespace apollo {

ModelShape model_shape(const RunConfig& config, int64_t vocab_size) {
  const RunConfig::Model& model = config.model;
  return {model.architecture, model.layers, model.width, model.heads, model.context, vocab_size};
}

double layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length) {
  const double tokens = static_cast<double>(sequences) * static_cast<double>(length);
  const double width = static_cast<double>(shape.width);
  const double projections = 2.0 * tokens * 12.0 * width * width;
  const double attention = 2.0 * 2.0 * tokens * static_cast<double>(length) * width;
  return projections + attention;
}

double head_forward_flops(const ModelShape& shape, int64_t positions) {
  const double width = static_cast<double>(shape.width);
  const double output =
      2.0 * static_cast<double>(positions) * width * static_cast<double>(shape.vocab_size);
  if (shape.architecture == Architecture::kGpt2) return output;
  return output + 2.0 * static_cast<double>(positions) * width * width;
}

double forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t length) {
  return static_cast<double>(depth) * layer_forward_flops(shape, sequences, length) +
         head_forward_flops(shape, sequences * length);
}

double train_flops(const ModelShape& shape, int64_t depth, int64_t sequences) {
  if (shape.architecture != Architecture::kGpt2) {
    fail<UsageError>("architecture 'bert' is not available yet: its head runs on masked positions");
  }
  return 3.0 * forward_flops(shape, depth, sequences, shape.context);
}

int64_t num_layer_parameters(const ModelShape& shape) {
  return 12 * shape.width * shape.width + 13 * shape.width;
}

int64_t num_parameters(const ModelShape& shape, int64_t layers) {
  const int64_t width = shape.width;
  const int64_t embeddings = (shape.vocab_size + shape.context) * width;
  const int64_t blocks = layers * num_layer_parameters(shape);
  const int64_t norm = 2 * width;
  if (shape.architecture == Architecture::kGpt2) return embeddings + blocks + norm;
  const int64_t token_types = 2 * width;
  const int64_t head = width * width + width + norm + shape.vocab_size;
  return embeddings + token_types + norm + blocks + head;
}

}  // namespace apollo
