#include "train/shards.h"

#include <ATen/ops/empty.h>

#include <algorithm>

#include "optim/clip.h"

namespace apollo {
namespace {

int64_t end_of_block(int64_t element) {
  return (element + kNormBlock - 1) / kNormBlock * kNormBlock;
}

// Returns the part, extended to the end of the block in which it ends.
ElementRange with_last_block(ElementRange part, int64_t size) {
  if (part.size() == 0) return part;
  return {part.begin, std::min(size, end_of_block(part.end))};
}

// Returns the blocks that begin in the part.
ElementRange blocks_of(ElementRange part, int64_t size) {
  return {std::min(size, end_of_block(part.begin)), std::min(size, end_of_block(part.end))};
}

at::Tensor view_of(const at::Tensor& buffer, ElementRange range) {
  return buffer.slice(0, range.begin, range.end);
}

}  // namespace

Shards::Shards(Workers& workers, const Optimizer& optimizer, bool shard_optimizer)
    : workers_(workers),
      optimizer_(optimizer),
      share_moments_(shard_optimizer && workers.size() > 1) {}

std::vector<ElementRange> Shards::parts(const ParameterLayout& layout) const {
  return optimizer_.shares(layout, workers_.size());
}

std::vector<ElementRange> Shards::parts_of(const OptimizerState::Buffer& buffer,
                                           const ParameterLayout& layout) const {
  std::vector<ElementRange> found = parts(layout);
  for (ElementRange& part : found)
    part = range_within(layout, *buffer.layout, part);
  return found;
}

ElementRange Shards::own_part(const ParameterLayout& layout) const {
  if (!share_moments_) return layout.whole();
  return parts(layout).at(static_cast<size_t>(workers_.rank()));
}

at::Tensor Shards::own_gradients(const ParameterSet& parameters) const {
  return view_of(parameters.gradients(), own_part(parameters.layout()));
}

void Shards::sum_gradients(const ParameterSet& parameters) {
  const at::Tensor& gradients = parameters.gradients();
  if (!share_moments_) {
    workers_.sum(gradients);
    return;
  }
  // A block in which a part ends is summed twice: here and by the next rank.
  std::vector<ElementRange> ranges = parts(parameters.layout());
  for (ElementRange& range : ranges)
    range = with_last_block(range, gradients.numel());
  const ElementRange own = ranges.at(static_cast<size_t>(workers_.rank()));
  const at::Tensor sum = at::empty({own.size()}, gradients.options());
  workers_.sum_ranges(gradients, ranges, sum);
  view_of(gradients, own).copy_(sum);
}

at::Tensor Shards::own_block_norms(const ParameterSet& parameters) const {
  const at::Tensor& gradients = parameters.gradients();
  return block_norms(
      view_of(gradients, blocks_of(own_part(parameters.layout()), gradients.numel())));
}

double Shards::gradient_norm(std::span<const double> own_norms) {
  return norm_of_blocks(share_moments_ ? workers_.gather(own_norms)
                                       : std::vector<double>(own_norms.begin(), own_norms.end()));
}

void Shards::gather_parameters(const ParameterSet& parameters) {
  if (!share_moments_) return;
  const ParameterLayout& layout = parameters.layout();
  workers_.gather_ranges(view_of(parameters.values(), own_part(layout)), parts(layout),
                         parameters.values());
}

at::Tensor Shards::whole(const OptimizerState::Buffer& buffer, const ParameterLayout& layout) {
  if (!share_moments_) return buffer.values;
  at::Tensor all = at::empty({buffer.layout->total_size()}, buffer.values.options());
  workers_.gather_ranges(buffer.values, parts_of(buffer, layout), all);
  return all;
}

OptimizerState Shards::on_host(const OptimizerState& state, const ParameterLayout& layout) {
  if (!share_moments_) return workers_.leads() ? copy_on_host(state) : OptimizerState{};
  OptimizerState copy{.buffers = {}, .num_steps = state.num_steps};
  for (const OptimizerState::Buffer& buffer : state.buffers) {
    at::Tensor all;
    if (workers_.leads()) all = at::empty({buffer.layout->total_size()}, at::kFloat);
    workers_.gather_ranges(buffer.values, parts_of(buffer, layout), all);
    if (workers_.leads()) copy.buffers.push_back({buffer.name, buffer.group, buffer.layout, all});
  }
  return copy;
}

}  // namespace apollo
