#include "train/growth_probe.h"

#include "train/evaluation.h"

namespace apollo {

GrowthProbe probe_growth(const LanguageModel& model, const Batches* valid, const RunConfig& config,
                         Workers& workers) {
  GrowthProbe result;
  if (valid == nullptr) return result;
  const int64_t rows = config.train.micro_batch_size;
  const ModelShape& shape = model.spec().shape;
  const EvaluationOptions options = {.batch_size = rows,
                                     .max_tokens = rows * shape.context,
                                     .pass = make_pass_options(config, /*training=*/false),
                                     .workers = &workers};
  const auto loss_at = [&](int64_t depth) {
    const EvaluationResult found = evaluate(model, depth, *valid, options);
    result.flops += found.flops;
    return found.loss;
  };
  const int64_t own = model.num_layers();
  result.own_loss = loss_at(own);
  if (own == shape.layers) {
    result.full_loss = result.own_loss;
  } else if (own > 0) {
    result.full_loss = loss_at(shape.layers);
  }
  return result;
}

}  // namespace apollo
