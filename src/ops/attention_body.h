// The kernels of attention_kernels.h for one instruction set; vector_math.h says how this file is
// compiled.
//
// All factors are first copied to dense, aligned memory and padded with zeros to whole vectors, so
// that the products have no tails. Keys and values are also needed with the positions along the
// vector, so they are transposed in blocks of kKeyBlock positions.
#pragma once

#include "ops/attention_kernels.h"
#include "ops/dropout_mask.h"
#include "ops/matrix_tiles.h"

namespace apollo {
namespace {

constexpr int64_t kQueryBlock = kAttentionBlock;
constexpr int64_t kKeyBlock = kAttentionBlock;
static_assert(kQueryBlock % kTileRows == 0 && kKeyBlock % (kTileVectors * kLanes) == 0);

// The score of a position that is not seen. It is finite because a row may see nothing in a block.
constexpr float kHidden = -1e30F;

inline int64_t least(int64_t a, int64_t b) {
  return a < b ? a : b;
}

inline int64_t most(int64_t a, int64_t b) {
  return a > b ? a : b;
}

// One head of one sequence.
struct Head {
  explicit Head(const AttentionPlan& heads, int64_t index)
      : heads(heads),
        length(heads.length),
        width(heads.head_width),
        padded_width((width + kLanes - 1) / kLanes * kLanes),
        stride(heads.num_heads * width),
        qkv_stride((heads.num_heads + 2 * heads.num_kv_heads) * width),
        index(index),
        place((index / heads.num_heads) * length * stride + index % heads.num_heads * width),
        query_place((index / heads.num_heads) * length * qkv_stride +
                    index % heads.num_heads * width),
        key_place((index / heads.num_heads) * length * qkv_stride +
                  (heads.num_heads + index % heads.num_heads / group_size(heads)) * width),
        value_place(key_place + heads.num_kv_heads * width),
        scale(1.0F / __builtin_sqrtf(static_cast<float>(width))),
        document_begins_T(of_row(heads.document_begins_BT)),
        document_ends_T(of_row(heads.document_ends_BT)),
        mask(heads.dropout),
        log_sums_T(heads.log_sums_BHT + index * length) {}

  // Returns how many query heads read one key-value head.
  static int64_t group_size(const AttentionPlan& heads) {
    return heads.num_heads / heads.num_kv_heads;
  }

  const int32_t* of_row(const int32_t* numbers_BT) const {
    return numbers_BT == nullptr ? nullptr : numbers_BT + index / heads.num_heads * length;
  }

  // Returns whether a query may see no key at the beginning of the row. What the queries see is
  // then a band, both of whose ends only move forward from query to query.
  bool has_band() const { return heads.window > 0 || document_begins_T != nullptr; }
  // Returns the end of the keys that the queries before `end` see.
  int64_t keys_seen(int64_t end) const {
    const int64_t last = least(end, length) - 1;
    int64_t seen = heads.causal ? last + 1 : length;
    if (heads.window > 0) seen = least(seen, last + 1 + heads.window);
    return document_ends_T == nullptr ? seen : least(seen, document_ends_T[last]);
  }
  // Returns the first key that a query sees; it sees none before it.
  int64_t first_seen(int64_t query) const {
    const int64_t near = heads.window > 0 ? most(0, query - heads.window) : 0;
    return document_begins_T == nullptr ? near : most(near, document_begins_T[query]);
  }
  // Returns where the block of that key begins.
  int64_t first_block_seen(int64_t query) const {
    return first_seen(query) / kKeyBlock * kKeyBlock;
  }

  // Returns the scores of a query for a vector of keys, with kHidden for keys that it does not see.
  Floats seen(const Floats& scores, int64_t query, int64_t key) const {
    const int64_t limit = keys_seen(query + 1);
    Floats result = scores;
    if (key + kLanes > limit) {
      const Bits beyond = lane_numbers() + static_cast<uint32_t>(most(0, key - limit + kLanes));
      result = beyond < static_cast<uint32_t>(kLanes) ? result : Floats{} + kHidden;
      if (key >= limit) return Floats{} + kHidden;
    }
    const int64_t before = first_seen(query) - key;
    if (before > 0) {
      const Bits outside = Bits{} + static_cast<uint32_t>(least(before, kLanes));
      result = lane_numbers() < outside ? Floats{} + kHidden : result;
    }
    return result;
  }

  // Returns the factors by which dropout multiplies the weights of a query.
  Floats kept(int64_t query, int64_t key) const {
    return mask.factors(index * length + query, key);
  }

  const AttentionPlan& heads;
  int64_t length;
  int64_t width;
  int64_t padded_width;
  int64_t stride;      // between positions of `mixed`
  int64_t qkv_stride;  // between positions of qkv
  int64_t index;
  int64_t place;                                // where the head begins in `mixed`
  int64_t query_place, key_place, value_place;  // in qkv
  float scale;
  const int32_t *document_begins_T, *document_ends_T;  // null: the row is one document
  DropoutMask mask;
  float* log_sums_T;
};

template <class T>
inline Floats load_up_to(const T* from, int64_t count) {
  return count >= kLanes ? load(from) : load_part(from, count);
}

// Copies factor * from, rows of `width`, into rows of padded width, filled with zeros.
template <class T>
inline void copy_padded(const T* from, int64_t stride, int64_t rows, const Head& head, float factor,
                        float* to) {
  for (int64_t row = 0; row < rows; ++row, from += stride, to += head.padded_width) {
    for (int64_t i = 0; i < head.width; i += kLanes)
      store(to + i, load_up_to(from + i, head.width - i) * factor);
  }
}

template <class T>
inline void copy_back(const float* from, const Head& head, int64_t rows, T* to, int64_t stride) {
  for (int64_t row = 0; row < rows; ++row, from += head.padded_width, to += stride) {
    for_columns(head.width,
                [&](int64_t i, const auto& lanes) { lanes.store(to + i, load(from + i)); });
  }
}

inline void fill_zero(float* to, int64_t count) {
  for (int64_t i = 0; i < count; i += kLanes)
    store(to + i, Floats{});
}

// Copies factor * from, [T, width], into blocks [padded width, kKeyBlock] of kKeyBlock positions
// each, with zeros after the last position.
template <class T>
inline void transpose_blocks(const T* from, int64_t stride, const Head& head, float factor,
                             float* to) {
  for (int64_t first = 0; first < head.length; first += kKeyBlock) {
    for (int64_t row = 0; row < kKeyBlock && first + row < head.length; row += kLanes) {
      const int64_t rows = least(kLanes, head.length - first - row);
      for (int64_t column = 0; column < head.width; column += kLanes) {
        Square square = {};
        for (int64_t i = 0; i < rows; ++i) {
          square[i] =
              load_up_to(from + (first + row + i) * stride + column, head.width - column) * factor;
        }
        transpose(square);
        for (int64_t i = 0; i < kLanes; ++i)
          store(to + (column + i) * kKeyBlock + row, square[i]);
      }
    }
    to += head.padded_width * kKeyBlock;
  }
}

// Hands out pieces of the scratch memory, one after the other.
class Scratch {
 public:
  explicit Scratch(float* next) : next_(next) {}
  float* take(int64_t count) {
    float* piece = next_;
    next_ += count;
    return piece;
  }

 private:
  float* next_;
};

inline int64_t padded_length(int64_t length) {
  return (length + kKeyBlock - 1) / kKeyBlock * kKeyBlock;
}

// A block of scores: queries [query, query_end) x keys [key, key_end), in rows of kKeyBlock.
struct Block {
  int64_t query, query_end;
  int64_t key, key_end;

  int64_t queries() const { return query_end - query; }
  int64_t keys() const { return key_end - key; }
  // Returns how many of the block's keys the queries before its row `end` see.
  int64_t columns(const Head& head, int64_t end) const {
    return most(0, least(head.keys_seen(query + end), key_end) - key);
  }

  // In a band, ranges cover whole tiles of rows, even at the block's end, and whole vectors of
  // columns. So a vector of scores exists for all rows of a tile or for none.
  static int64_t tile_begin(int64_t row) { return row / kTileRows * kTileRows; }
  // Returns the end of the columns of keys that the queries of the tile of `row` see.
  int64_t columns_of_tile(const Head& head, int64_t row) const {
    const int64_t end = tile_begin(row) + kTileRows;
    return columns(head, head.has_band() ? end : least(end, queries()));
  }
  // Returns the first of these columns, rounded down to a whole vector.
  int64_t first_column_of_tile(const Head& head, int64_t row) const {
    return most(0, head.first_seen(query + tile_begin(row)) - key) / kLanes * kLanes;
  }
  // In a band, scores for the vector of keys at `column` exist in rows [first_row, end_row).
  int64_t first_row(const Head& head, int64_t column) const {
    int64_t row = 0;
    while (row < queries() && columns_of_tile(head, row) <= column)
      row += kTileRows;
    return row;
  }
  int64_t end_row(const Head& head, int64_t column) const {
    int64_t row = tile_begin(queries() + kTileRows - 1);
    while (row > 0 && first_column_of_tile(head, row - kTileRows) > column)
      row -= kTileRows;
    return least(row, queries());
  }
};

// finish(row, column, scores): rows are queries, columns are keys, and the sum runs over the width.
template <class Finish>
inline void multiply_by_keys(const Head& head, const Block& block, const LeftFactor& left,
                             const float* transposed, const Finish& finish) {
  multiply_tiles(
      block.queries(), left, {transposed + block.key * head.padded_width, kKeyBlock},
      [&](int64_t begin, int64_t end) {
        if (!head.has_band()) return TileRange{block.columns(head, end), 0, head.width};
        return TileRange{block.columns_of_tile(head, begin), 0, head.width,
                         block.first_column_of_tile(head, begin)};
      },
      finish);
}

// to += block * rows, with queries as rows and a sum over keys.
inline void add_by_queries(const Head& head, const Block& block, const float* scores,
                           const float* rows, float* to) {
  multiply_tiles(
      block.queries(), {scores, kKeyBlock, 1},
      {rows + block.key * head.padded_width, head.padded_width},
      [&](int64_t begin, int64_t end) {
        if (!head.has_band()) return TileRange{head.padded_width, 0, block.columns(head, end)};
        return TileRange{head.padded_width, block.first_column_of_tile(head, begin),
                         block.columns_of_tile(head, begin)};
      },
      [&](int64_t row, int64_t column, const Floats& sums) {
        float* place = to + row * head.padded_width + column;
        store(place, load(place) + sums);
      });
}

// to += block^T * rows, with keys as rows and a sum over queries.
inline void add_by_keys(const Head& head, const Block& block, const float* scores,
                        const float* rows, float* to) {
  multiply_tiles(
      block.keys(), {scores, 1, kKeyBlock},
      {rows + block.query * head.padded_width, head.padded_width},
      [&](int64_t begin, int64_t) {
        if (head.has_band()) {
          const int64_t column = begin / kLanes * kLanes;
          return TileRange{head.padded_width, block.first_row(head, column),
                           block.end_row(head, column)};
        }
        const int64_t first = head.heads.causal ? most(0, block.key + begin - block.query) : 0;
        return TileRange{head.padded_width, first, block.queries()};
      },
      [&](int64_t row, int64_t column, const Floats& sums) {
        float* place = to + (block.key + row) * head.padded_width + column;
        store(place, load(place) + sums);
      });
}

template <class Each>
inline void for_key_blocks(const Head& head, int64_t query, int64_t query_end, const Each& each) {
  const int64_t seen = head.keys_seen(query_end);
  for (int64_t key = head.first_block_seen(query); key < seen; key += kKeyBlock)
    each(Block{query, query_end, key, least(key + kKeyBlock, seen)});
}

// The running maximum and sum of exponentials of each row of a query block.
struct RowSums {
  float top[kQueryBlock];
  float total[kQueryBlock];
};

// Turns a block of scores into weights that are not yet divided by their sum, and scales what was
// mixed before to the new maximum.
inline void exponentiate_block(const Head& head, const Block& block, RowSums& sums, float* scores,
                               float* mixed) {
  for (int64_t row = 0; row < block.queries(); ++row) {
    float* s = scores + row * kKeyBlock;
    const int64_t first = block.first_column_of_tile(head, row);
    const int64_t columns = block.columns_of_tile(head, row);
    Floats tops = Floats{} + sums.top[row];
    for (int64_t i = first; i < columns; i += kLanes)
      tops = larger(load(s + i), tops);
    const float top = largest(tops);
    Floats totals = {};
    for (int64_t i = first; i < columns; i += kLanes) {
      const Floats e = exp_of_negative(load(s + i) - top);
      totals += e;
      store(s + i, head.mask.active() ? e * head.kept(block.query + row, block.key + i) : e);
    }
    const float shrink = exp_of_negative(Floats{} + (sums.top[row] - top))[0];
    sums.total[row] = sums.total[row] * shrink + sum(totals);
    sums.top[row] = top;
    if (block.key == head.first_block_seen(block.query)) continue;
    float* m = mixed + row * head.padded_width;
    for (int64_t i = 0; i < head.padded_width; i += kLanes)
      store(m + i, load(m + i) * shrink);
  }
}

template <class T>
inline void attend(const AttentionHeads<T>& heads, const Head& head, float* scratch_begin) {
  Scratch scratch(scratch_begin);
  const int64_t padded = padded_length(head.length) * head.padded_width;
  float* keys = scratch.take(padded);
  float* values = scratch.take(padded);
  float* queries = scratch.take(kQueryBlock * head.padded_width);  // of one block
  float* scores = scratch.take(kQueryBlock * kKeyBlock);
  float* mixed = scratch.take(kQueryBlock * head.padded_width);
  transpose_blocks(heads.qkv_BTX + head.key_place, head.qkv_stride, head, head.scale, keys);
  copy_padded(heads.qkv_BTX + head.value_place, head.qkv_stride, head.length, head, 1.0F, values);
  for (int64_t query = 0; query < head.length; query += kQueryBlock) {
    const int64_t query_end = least(query + kQueryBlock, head.length);
    RowSums sums;
    for (int64_t row = 0; row < kQueryBlock; ++row) {
      sums.top[row] = kHidden;
      sums.total[row] = 0.0F;
    }
    fill_zero(mixed, kQueryBlock * head.padded_width);
    copy_padded(heads.qkv_BTX + head.query_place + query * head.qkv_stride, head.qkv_stride,
                query_end - query, head, 1.0F, queries);
    for_key_blocks(head, query, query_end, [&](const Block& block) {
      multiply_by_keys(head, block, {queries, head.padded_width, 1}, keys,
                       [&](int64_t row, int64_t column, const Floats& score) {
                         store(scores + row * kKeyBlock + column,
                               head.seen(score, query + row, block.key + column));
                       });
      exponentiate_block(head, block, sums, scores, mixed);
      add_by_queries(head, block, scores, values, mixed);
    });
    for (int64_t row = 0; row < query_end - query; ++row) {
      const float inverse = 1.0F / sums.total[row];
      const float* from = mixed + row * head.padded_width;
      T* to = heads.mixed_BTHK + head.place + (query + row) * head.stride;
      for_columns(head.width, [&](int64_t i, const auto& lanes) {
        lanes.store(to + i, load(from + i) * inverse);
      });
      head.log_sums_T[query + row] = sums.top[row] + __builtin_logf(sums.total[row]);
    }
  }
}

template <class T>
void attention(const AttentionHeads<T>& heads, int64_t begin, int64_t end, float* scratch) {
  for (int64_t index = begin; index < end; ++index)
    attend(heads, Head(heads, index), scratch);
}

// Scratch memory for the gradient of one head. Members are named after what is copied or summed
// there.
struct GradientScratch {
  GradientScratch(const Head& head, float* begin) {
    Scratch scratch(begin);
    const int64_t padded = padded_length(head.length) * head.padded_width;
    for (float** piece : {&keys, &transposed_keys, &transposed_values, &queries, &grad_mixed,
                          &grad_keys, &grad_values}) {
      *piece = scratch.take(padded);
    }
    weights = scratch.take(kQueryBlock * kKeyBlock);
    grad_scores = scratch.take(kQueryBlock * kKeyBlock);
    grad_queries = scratch.take(kQueryBlock * head.padded_width);
    plain_queries = scratch.take(kQueryBlock * head.padded_width);
  }

  float *keys, *transposed_keys;  // scaled
  float* transposed_values;
  float* queries;  // scaled
  float* grad_mixed;
  float *grad_keys, *grad_values;
  float *weights, *grad_scores;  // of one block
  float* grad_queries;           // of one block
  float* plain_queries;          // of one block, not scaled
};

// Computes the sum of grad * mixed for each query of a block. It equals the sum over a row of
// weights times their gradients, so the softmax's gradient is weights * (gradients - sum).
template <class T>
inline void sum_of_products(const AttentionHeads<T>& heads, const Head& head,
                            const float* grad_mixed, int64_t query, int64_t query_end,
                            float* sums) {
  for (int64_t t = query; t < query_end; ++t) {
    const T* mixed = heads.mixed_BTHK + head.place + t * head.stride;
    const float* grad = grad_mixed + t * head.padded_width;
    Floats total = {};
    for_columns(head.width, [&](int64_t i, const auto& lanes) {
      total += lanes.load(mixed + i) * load(grad + i);
    });
    sums[t - query] = sum(total);
  }
}

// Computes the weights of a block, with dropout, and the gradients of its scores.
inline void block_gradient(const Head& head, const Block& block, const GradientScratch& scratch,
                           const float* products) {
  const int64_t first = block.query * head.padded_width;
  multiply_by_keys(head, block, {scratch.plain_queries, head.padded_width, 1},
                   scratch.transposed_keys, [&](int64_t row, int64_t column, const Floats& score) {
                     const int64_t query = block.query + row;
                     const Floats x = head.seen(score, query, block.key + column);
                     store(scratch.weights + row * kKeyBlock + column,
                           exp_of_negative(x - head.log_sums_T[query]));
                   });
  multiply_by_keys(head, block, {scratch.grad_mixed + first, head.padded_width, 1},
                   scratch.transposed_values, [&](int64_t row, int64_t column, const Floats& sums) {
                     float* place = scratch.weights + row * kKeyBlock + column;
                     const Floats weight = load(place);
                     Floats grad = sums;
                     if (head.mask.active()) {
                       const Floats kept = head.kept(block.query + row, block.key + column);
                       grad *= kept;
                       store(place, weight * kept);
                     }
                     store(scratch.grad_scores + row * kKeyBlock + column,
                           weight * (grad - products[row]));
                   });
}

// Writes the gradient of one query head and adds its share to the gradients of keys and values.
template <class T>
inline void query_head_gradient(const AttentionGradientHeads<T>& heads, const Head& head,
                                const GradientScratch& scratch) {
  const int64_t length = head.length;
  const T* queries = heads.forward.qkv_BTX + head.query_place;
  copy_padded(queries, head.qkv_stride, length, head, head.scale, scratch.queries);
  copy_padded(heads.grad_mixed_BTHK + head.place, head.stride, length, head, 1.0F,
              scratch.grad_mixed);
  T* grad_queries = heads.grad_qkv_BTX + head.query_place;
  for (int64_t query = 0; query < length; query += kQueryBlock) {
    const int64_t query_end = least(query + kQueryBlock, length);
    float products[kQueryBlock];
    sum_of_products(heads.forward, head, scratch.grad_mixed, query, query_end, products);
    copy_padded(queries + query * head.qkv_stride, head.qkv_stride, query_end - query, head, 1.0F,
                scratch.plain_queries);
    fill_zero(scratch.grad_queries, kQueryBlock * head.padded_width);
    for_key_blocks(head, query, query_end, [&](const Block& block) {
      block_gradient(head, block, scratch, products);
      add_by_keys(head, block, scratch.weights, scratch.grad_mixed, scratch.grad_values);
      add_by_keys(head, block, scratch.grad_scores, scratch.queries, scratch.grad_keys);
      add_by_queries(head, block, scratch.grad_scores, scratch.keys, scratch.grad_queries);
    });
    copy_back(scratch.grad_queries, head, query_end - query, grad_queries + query * head.qkv_stride,
              head.qkv_stride);
  }
}

// Computes the gradients of one key-value head and of the query heads that read it, from `first`
// on.
template <class T>
inline void attend_gradient(const AttentionGradientHeads<T>& heads, int64_t first, float* memory) {
  const Head head(heads.forward, first);
  const GradientScratch scratch(head, memory);
  const int64_t length = head.length;
  const int64_t stride = head.qkv_stride;
  const T* qkv = heads.forward.qkv_BTX;
  copy_padded(qkv + head.key_place, stride, length, head, head.scale, scratch.keys);
  transpose_blocks(qkv + head.key_place, stride, head, head.scale, scratch.transposed_keys);
  transpose_blocks(qkv + head.value_place, stride, head, 1.0F, scratch.transposed_values);
  fill_zero(scratch.grad_keys, length * head.padded_width);
  fill_zero(scratch.grad_values, length * head.padded_width);
  for (int64_t i = 0; i < Head::group_size(heads.forward); ++i)
    query_head_gradient(heads, Head(heads.forward, first + i), scratch);
  copy_back(scratch.grad_keys, head, length, heads.grad_qkv_BTX + head.key_place, stride);
  copy_back(scratch.grad_values, head, length, heads.grad_qkv_BTX + head.value_place, stride);
}

template <class T>
void attention_gradient(const AttentionGradientHeads<T>& heads, int64_t begin, int64_t end,
                        float* scratch) {
  for (int64_t index = begin; index < end; ++index)
    attend_gradient(heads, index * Head::group_size(heads.forward), scratch);
}

}  // namespace
}  // namespace apollo
