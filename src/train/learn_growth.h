// Learns how a trained model grows (source_map = "ligo"): gradient steps on the operators of
// model/growth_operators.h. Their loss is the run's own loss of the grown model at its own depth.
//
// Step s learns from the batch on which step s of the run will train. Like every run, training
// starts at the beginning of its order, so it sees these batches again. The learning steps are
// charged (growth_learning_flops()) but do not count as steps or tokens of the run. They use no
// dropout, AdamW with the run's betas and clipping, no weight decay, and a learning rate that falls
// from train.lr to 0.
#pragma once

#include <memory>

#include "data/batches.h"
#include "model/model.h"

namespace apollo {

// Returns a model of `spec` with layers.size() layers. Throws DivergedError if the loss or a
// gradient is not finite, and Interrupted if a signal asks to stop; then nothing is kept.
std::unique_ptr<LanguageModel> learn_growth(const LanguageModel& source, const ModelSpec& spec,
                                            const LayerMap& layers, const Batches& batches,
                                            const RunConfig& config);

}  // namespace apollo
