// The order of training sequences: a keyed permutation in each epoch. It is computed in O(1) for
// any index, so that a resumed run continues where it was without replaying.
#pragma once

#include <cstdint>

namespace apollo {

class SampleOrder {
 public:
  // `num_samples` >= 1.
  SampleOrder(uint64_t seed, int64_t num_samples);
  // Returns the sample at place `index` (0, 1, ... without end; epoch = index / num_samples). Every
  // sample comes once per epoch, and each epoch has its own order.
  int64_t sample_at(int64_t index) const;
  int64_t num_samples() const { return num_samples_; }

 private:
  uint64_t seed_;
  int64_t num_samples_;
};

}  // namespace apollo
