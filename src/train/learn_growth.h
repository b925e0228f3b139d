// Learning how a trained model grows (source_map = "ligo"): gradient steps on the operators of
// model/growth_operators.h, whose loss is the run's own on the grown model at its own depth.
//
// Step s learns from the batch that the run's step s will train on: training begins at the
// beginning of its order, as every run does, and meets these batches again. They are charged
// (growth_learning_flops()) but do not count as steps or tokens of the run. No dropout; AdamW with
// the run's betas and clipping, no weight decay, a learning rate that falls from train.lr to zero.
#pragma once

#include <memory>

#include "data/batches.h"
#include "model/model.h"

namespace apollo {

// A model of `spec` with layers.size() layers. Throws DivergedError where the loss or a gradient
// stops being finite, Interrupted where a signal asks to stop: nothing is kept then.
std::unique_ptr<LanguageModel> learn_growth(const LanguageModel& source, const ModelSpec& spec,
                                            const LayerMap& layers, const Batches& batches,
                                            const RunConfig& config);

}  // namespace apollo
