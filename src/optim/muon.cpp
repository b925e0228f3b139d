#include "optim/muon.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/lerp.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <utility>

#include "arch/hidden_matrices.h"
#include "optim/newton_schulz.h"

namespace apollo {
namespace {

constexpr const char* kMomentum = "momentum";
// The root mean square of AdamW's updates in practice (arXiv 2502.16982, section 2.2).
constexpr double kRootMeanSquare = 0.2;

// The same matrix in three buffers; each view has at most as many rows as columns.
struct MatrixViews {
  at::Tensor values;
  at::Tensor gradient;
  at::Tensor momentum;
  bool decay = false;
};

at::Tensor view_of(const at::Tensor& buffer, const ParameterSlot& slot,
                   const HiddenMatrix& matrix) {
  const at::Tensor view =
      slot_view(buffer, slot).narrow(matrix.dimension, matrix.first, matrix.size);
  return matrix.rows <= matrix.columns ? view : view.t();
}

// The matrices by their rows and columns.
using MatricesByShape = std::map<std::pair<int64_t, int64_t>, std::vector<MatrixViews>>;

MatricesByShape matrices_that_train(const ParameterSet& parameters,
                                    const OptimizerState::Buffer& momentum,
                                    const std::vector<bool>& trained) {
  MatricesByShape found;
  const auto& slots = parameters.layout().slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    if (!trains(trained, i)) continue;
    for (const HiddenMatrix& matrix : hidden_matrices(slots[i].spec)) {
      ParameterSlot own = momentum.layout->slot(slots[i].spec.name);
      if (common_part({own.offset, own.offset + own.size}, momentum.part()).size() == 0) continue;
      own.offset -= momentum.begin;
      found[std::minmax(matrix.rows, matrix.columns)].push_back(
          {.values = view_of(parameters.values(), slots[i], matrix),
           .gradient = view_of(parameters.gradients(), slots[i], matrix),
           .momentum = view_of(momentum.values, own, matrix),
           .decay = slots[i].spec.decay});
    }
  }
  return found;
}

}  // namespace

OptimizerState Muon::fresh_state(const ParameterSet& parameters, ElementRange part) const {
  OptimizerState state = others_.fresh_state(parameters, part);
  state.buffers.push_back(
      zero_buffer(kMomentum, ParameterGroup::kHiddenMatrices, parameters, part));
  return state;
}

std::vector<ElementRange> Muon::shares(const ParameterLayout& layout, int64_t count) const {
  std::vector<ElementRange> shares = Optimizer::shares(layout, count);
  int64_t begin = 0;
  for (ElementRange& share : shares) {
    for (size_t i = 0; i < layout.slots().size(); ++i) {
      const ParameterSlot& slot = layout.slots()[i];
      if (!has_hidden_matrices(slot.spec) || share.end <= slot.offset) continue;
      if (share.end >= layout.end_of(i)) continue;
      const bool nearer_begin = share.end - slot.offset < layout.end_of(i) - share.end;
      share.end = nearer_begin ? slot.offset : layout.end_of(i);
    }
    share.begin = begin;
    begin = share.end;
  }
  return shares;
}

void Muon::step(ParameterSet& parameters, OptimizerState& state, double lr,
                const std::vector<bool>& trained) const {
  const at::NoGradGuard no_grad;
  others_.step(parameters, state, lr, trained);
  const auto& slots = parameters.layout().slots();
  for (size_t i = 0; i < slots.size(); ++i) {
    if (trains(trained, i) && has_hidden_matrices(slots[i].spec)) ++state.num_steps[i];
  }
  const auto update = [&](std::span<const MatrixViews> matrices, int64_t rows, int64_t columns) {
    const at::Tensor directions_NRC = at::empty(
        {static_cast<int64_t>(matrices.size()), rows, columns}, parameters.values().options());
    for (size_t i = 0; i < matrices.size(); ++i) {
      const MatrixViews& matrix = matrices[i];
      matrix.momentum.lerp_(matrix.gradient, 1.0 - options_.momentum);
      at::Tensor direction_RC = directions_NRC[static_cast<int64_t>(i)];
      at::lerp_out(direction_RC, matrix.gradient, matrix.momentum, options_.momentum);
    }
    const at::Tensor orthogonal_NRC = orthogonalized(directions_NRC);
    const double length = kRootMeanSquare * std::sqrt(static_cast<double>(columns));
    for (size_t i = 0; i < matrices.size(); ++i) {
      if (matrices[i].decay) matrices[i].values.mul_(1.0 - lr * options_.weight_decay);
      matrices[i].values.add_(orthogonal_NRC[static_cast<int64_t>(i)], -lr * length);
    }
  };
  const OptimizerState::Buffer& momentum = state.find(kMomentum);
  const at::Device device = parameters.values().device();
  for (const auto& [shape, matrices] : matrices_that_train(parameters, momentum, trained)) {
    const auto [rows, columns] = shape;
    const auto at_once = static_cast<size_t>(orthogonalized_at_once(rows, columns, device));
    for (size_t first = 0; first < matrices.size(); first += at_once) {
      const size_t count = std::min(at_once, matrices.size() - first);
      update(std::span(matrices).subspan(first, count), rows, columns);
    }
  }
}

}  // namespace apollo
