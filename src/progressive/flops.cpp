// FLOPs and parameters of GPT-2 and BERT blocks. Both blocks hold the same products: QKV (3 w^2),
// output (w^2), MLP (2 w i, 8 w^2 for the usual inner width i) per token, scores and mixing (T w
// each) per token. In the last block of BERT, output and MLP are those of the masked tokens alone.
#include "progressive/flops.h"

namespace apollo {

namespace {

// Projection to queries, keys and values, scores and mixing.
double until_mixed(const ModelShape& shape, int64_t sequences, int64_t length) {
  const double tokens = static_cast<double>(sequences) * static_cast<double>(length);
  const double width = static_cast<double>(shape.width);
  return 2.0 * tokens * 3.0 * width * width +
         2.0 * 2.0 * tokens * static_cast<double>(length) * width;
}

// Projection of the heads and MLP.
double behind_mixed(const ModelShape& shape, int64_t positions) {
  const double width = static_cast<double>(shape.width);
  const double inner = static_cast<double>(shape.inner_width());
  return 2.0 * static_cast<double>(positions) * (width * width + 2.0 * width * inner);
}

// The blocks of a pass.
double layers_forward_flops(const ModelShape& shape, int64_t depth, int64_t sequences,
                            int64_t length, int64_t positions) {
  if (depth == 0) return 0.0;
  return static_cast<double>(depth - 1) * layer_forward_flops(shape, sequences, length) +
         last_layer_forward_flops(shape, sequences, length, positions);
}

}  // namespace

ModelShape model_shape(const RunConfig& config, int64_t vocab_size) {
  const RunConfig::Model& model = config.model;
  return {model.architecture, model.layers, model.width, model.heads, model.context, vocab_size};
}

double layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length) {
  return until_mixed(shape, sequences, length) + behind_mixed(shape, sequences * length);
}

double last_layer_forward_flops(const ModelShape& shape, int64_t sequences, int64_t length,
                                int64_t positions) {
  const bool all = shape.architecture == Architecture::kGpt2;
  return until_mixed(shape, sequences, length) +
         behind_mixed(shape, all ? sequences * length : positions);
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
  return layers_forward_flops(shape, depth, sequences, length, positions) +
         head_forward_flops(shape, positions);
}

double train_flops(const ModelShape& shape, int64_t depth, int64_t sequences, int64_t targets,
                   bool recompute, int64_t frozen) {
  const int64_t positions = sequences * targets;
  const double all = layers_forward_flops(shape, depth, sequences, shape.context, positions);
  const double alone = frozen < depth ? static_cast<double>(frozen) *
                                            layer_forward_flops(shape, sequences, shape.context)
                                      : all;
  const double trained = all - alone;
  const double head = head_forward_flops(shape, positions);
  return 3.0 * (trained + head) + (recompute ? trained : 0.0) + alone;
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
