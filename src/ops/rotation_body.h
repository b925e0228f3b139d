// The kernels behind rotation.h for one instruction set; vector_math.h says how this file is
// compiled.
#pragma once

#include "ops/partial_sums_body.h"
#include "ops/row_kernels.h"
#include "ops/vector_math.h"

namespace apollo {
namespace {

// The heads of one position.
template <class T>
struct RotatedPosition {
  RotatedPosition(const RotateRows<T>& rows, int64_t row)
      : rows(rows),
        half(rows.head_width / 2),
        first(row * (rows.query_heads + 2 * rows.key_heads) * rows.head_width),
        cos(rows.cos_TR + row % rows.length * half),
        sin(rows.sin_TR + row % rows.length * half),
        rstd_H(rows.rstd_NH == nullptr ? nullptr
                                       : rows.rstd_NH + row * (rows.query_heads + rows.key_heads)) {
  }

  int64_t num_rotated() const { return rows.query_heads + rows.key_heads; }
  int64_t num_heads() const { return rows.query_heads + 2 * rows.key_heads; }
  bool is_query(int64_t head) const { return head < rows.query_heads; }
  const float* weight(int64_t head) const {
    return is_query(head) ? rows.query_weight_K : rows.key_weight_K;
  }
  // Returns where a head's numbers begin.
  int64_t place(int64_t head) const { return first + head * rows.head_width; }

  const RotateRows<T>& rows;
  int64_t half;
  int64_t first;
  const float* cos;
  const float* sin;
  float* rstd_H;
};

template <class T>
inline void copy_values(const RotatedPosition<T>& position, const T* from, T* to) {
  const int64_t begin = position.place(position.num_rotated());
  const int64_t count = position.rows.key_heads * position.rows.head_width;
  __builtin_memcpy(to + begin, from + begin, static_cast<uint64_t>(count) * sizeof(T));
}

template <class T>
inline float reciprocal_root(const T* x, int64_t width, float epsilon) {
  Floats squares = {};
  for_columns(width, [&](int64_t i, const auto& lanes) {
    const Floats here = lanes.load(x + i);
    squares += here * here;
  });
  return 1.0F / __builtin_sqrtf(sum(squares) / static_cast<float>(width) + epsilon);
}

template <class T>
inline void rotate_head(const RotatedPosition<T>& position, int64_t head) {
  const T* x = position.rows.qkv_NX + position.place(head);
  T* y = position.rows.rotated_NX + position.place(head);
  const int64_t half = position.half;
  const auto turn = [&](int64_t i, const auto& lanes, const Floats& a, const Floats& b) {
    const Floats cos = lanes.load(position.cos + i);
    const Floats sin = lanes.load(position.sin + i);
    lanes.store(y + i, a * cos - b * sin);
    lanes.store(y + half + i, b * cos + a * sin);
  };
  if (position.rstd_H == nullptr) {
    for_columns(half, [&](int64_t i, const auto& lanes) {
      turn(i, lanes, lanes.load(x + i), lanes.load(x + half + i));
    });
    return;
  }
  const float rstd = reciprocal_root(x, position.rows.head_width, position.rows.epsilon);
  position.rstd_H[head] = rstd;
  const float* weight = position.weight(head);
  for_columns(half, [&](int64_t i, const auto& lanes) {
    turn(i, lanes, lanes.load(x + i) * rstd * lanes.load(weight + i),
         lanes.load(x + half + i) * rstd * lanes.load(weight + half + i));
  });
}

template <class T>
void rotate(const RotateRows<T>& rows, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const RotatedPosition<T> position(rows, row);
    for (int64_t head = 0; head < position.num_rotated(); ++head)
      rotate_head(position, head);
    copy_values(position, rows.qkv_NX, rows.rotated_NX);
  }
}

// Rotates the gradient of a head back.
template <class T>
inline void rotate_back(const RotatedPosition<T>& position, const T* grad, T* result) {
  const int64_t half = position.half;
  for_columns(half, [&](int64_t i, const auto& lanes) {
    const Floats cos = lanes.load(position.cos + i);
    const Floats sin = lanes.load(position.sin + i);
    const Floats a = lanes.load(grad + i);
    const Floats b = lanes.load(grad + half + i);
    lanes.store(result + i, a * cos + b * sin);
    lanes.store(result + half + i, b * cos - a * sin);
  });
}

// Replaces the gradient of the normalised head in `result` with the gradient of the head. With n
// the head before its weight and g = gradient * weight, it is rstd * (g - n mean(g n)).
template <class T>
inline void head_norm_gradient(const RotatedPosition<T>& position, int64_t head, float* grad_weight,
                               T* result) {
  const int64_t width = position.rows.head_width;
  const T* x = position.rows.qkv_NX + position.place(head);
  const float* weight = position.weight(head);
  const float rstd = position.rstd_H[head];
  Floats total = {};
  for_columns(width, [&](int64_t i, const auto& lanes) {
    const Floats n = lanes.load(x + i) * rstd;
    const Floats grad = lanes.load(result + i);
    total += grad * lanes.load(weight + i) * n;
    add_to(grad_weight + i, grad * n, lanes);
  });
  const float mean = sum(total) / static_cast<float>(width);
  for_columns(width, [&](int64_t i, const auto& lanes) {
    const Floats n = lanes.load(x + i) * rstd;
    const Floats g = lanes.load(result + i) * lanes.load(weight + i);
    lanes.store(result + i, (g - n * mean) * rstd);
  });
}

template <class T>
void rotate_gradient(const RotateGradientRows<T>& rows, int64_t begin, int64_t end) {
  const int64_t width = rows.forward.head_width;
  for (int64_t row = begin; row < end; ++row) {
    if (row % kBlockRows == 0) {
      clear_block(rows.grad_query_weight_CK, row, width);
      clear_block(rows.grad_key_weight_CK, row, width);
    }
    const RotatedPosition<T> position(rows.forward, row);
    for (int64_t head = 0; head < position.num_rotated(); ++head) {
      T* result = rows.grad_qkv_NX + position.place(head);
      rotate_back(position, rows.grad_rotated_NX + position.place(head), result);
      if (position.rstd_H == nullptr) continue;
      float* partial =
          position.is_query(head) ? rows.grad_query_weight_CK : rows.grad_key_weight_CK;
      head_norm_gradient(position, head, block_of(partial, row, width), result);
    }
    copy_values(position, rows.grad_rotated_NX, rows.grad_qkv_NX);
  }
}

}  // namespace
}  // namespace apollo
