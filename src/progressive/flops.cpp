// FLOPs and parameters of GPT-2 and BERT blocks. Both blocks hold the same products: QKV (3 w^2),
// output (w^2), MLP (2 w i, 8 w^2 for the usual inner width i) per token, scores and mixing (T w
// each) per token.
#include "progressive/flops.h"

namespace apollo {

ModelShape model_shape(const RunConfig& config, int64_t vocab_size) {
  const RunConfig::Model& model = config.model;
  return {model.architecture, model.layers, model.width, model.heads, model.context, vocab_size};
}

double layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length) {
  const double tokens = static_cast<double>(sequences) * static_cast<double>(length);
  const double width = static_cast<double>(shape.width);
  const double inner = static_cast<double>(shape.inner_width());
  const double projections = 2.0 * tokens * (4.0 * width * width + 2.0 * width * inner);
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

double forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t length,
                     int64_t positions) {
  return static_cast<double>(depth) * layer_forward_flops(shape, sequences, length) +
         head_forward_flops(shape, positions);
}

double train_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t targets,
                   bool recompute, int64_t frozen) {
  const double layer = layer_forward_flops(shape, sequences, shape.context);
  const double trained = static_cast<double>(depth - frozen) * layer;
  const double head = head_forward_flops(shape, sequences * targets);
  return 3.0 * (trained + head) + (recompute ? trained : 0.0) + static_cast<double>(frozen) * layer;
}

int64_t num_layer_parameters(const ModelShape& shape) {
  const int64_t width = shape.width;
  const int64_t inner = shape.inner_width();
  return 4 * width * width + 2 * width * inner + 9 * width + inner;
}

int64_t num_parameters(const ModelShape& shape, int64_t layers) {
  const int64_t width = shape.width;
  const int64_t embeddings = (shape.vocab_size + shape.context) * width;
  const int64_t blocks = layers * num_layer_parameters(shape);
  const int64_t norm = 2 * width;
  if (shape.architecture == Architecture::kGpt2) return embeddings + blocks + norm;
  const int64_t token_types = shape.token_types * width;
  const int64_t head = width * width + width + norm + shape.vocab_size;
  return embeddings + token_types + norm + blocks + head;
}

}  // namespace apollo
