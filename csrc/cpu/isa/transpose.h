// Transposing in registers: blocks of kLanes rows and columns, exchanged in log2(kLanes) stages.
#pragma once

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

/// Indices of one side of a butterfly: lanes of u (from 0) and v (from kLanes) alternate in groups of `half`.
template <class T, int half, int high, int... lane>
HL_INLINE Vec<T> exchange(Vec<T> u, Vec<T> v, std::integer_sequence<int, lane...>) {
#if __has_builtin(__builtin_shufflevector)
  return __builtin_shufflevector(u, v, ((lane & half) ? kLanes<T> + lane - half + high : lane + high)...);
#else
  return __builtin_shuffle(u, v, Mask<T>{((lane & half) ? kLanes<T> + lane - half + high : lane + high)...});
#endif
}

/// One stage of transposing kLanes rows: swaps the off-diagonal blocks of size `half`, for half = 1, 2, 4, ...
template <class T, int half>
HL_INLINE void swap_blocks(Vec<T>* row) {
  if constexpr (half < kLanes<T>) {
    constexpr std::make_integer_sequence<int, kLanes<T>> lanes{};
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<T>; ++i) {
      if ((i & half) == 0) {
        const Vec<T> u = row[i], v = row[i + half];
        row[i] = exchange<T, half, 0>(u, v, lanes);
        row[i + half] = exchange<T, half, half>(u, v, lanes);
      }
    }
    swap_blocks<T, 2 * half>(row);
  }
}

/// Transposes kLanes vectors in place.
template <class T>
HL_INLINE void transpose_block(Vec<T>* row) {
  swap_blocks<T, 1>(row);
}

/// y (rows, cols) = x (cols, rows) transposed; strides are those between rows of each.
template <class T>
HL_INLINE void transpose(int64_t rows, int64_t cols, const T* x, int64_t x_stride, T* y, int64_t y_stride) {
  constexpr int64_t lanes = kLanes<T>;
  const int64_t whole_rows = rows - rows % lanes, whole_cols = cols - cols % lanes;
  for (int64_t r = 0; r < whole_rows; r += lanes) {
    for (int64_t c = 0; c < whole_cols; c += lanes) {
      Vec<T> block[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) block[i] = load(x + (c + i) * x_stride + r);
      transpose_block<T>(block);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) store<T>(y + (r + i) * y_stride + c, block[i]);
    }
    for (int64_t i = r; i < r + lanes; ++i) {
      for (int64_t c = whole_cols; c < cols; ++c) y[i * y_stride + c] = x[c * x_stride + i];
    }
  }
  for (int64_t r = whole_rows; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) y[r * y_stride + c] = x[c * x_stride + r];
  }
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
