// Gradients that are nearly all zeros: lists of where the others are, and sums of the rows that these scale.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cpu/isa/micro.h"

namespace hotloop::isa {

/// Where a row begins, in elements; as wide as T, so that lists of offsets and factors are made alike.
template <class T>
using RowOffset = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

/// A list of non-zeros may be overwritten so far behind its end while it is made, in elements.
inline constexpr int64_t kListSlack = 16;

/// The maxima of `count` windows by `filters`: their gradients and their places in the windows.
template <class T>
struct PooledSlopes {
  int64_t count, filters;
  const T* slope;
  const uint8_t* place;
};

/// Where pixels lie: window k begins at window[k], pixel p of it so many rows and columns further.
template <class T>
struct PixelOffsets {
  const RowOffset<T>* window;
  int width;  // of a window
  RowOffset<T> row, col;
};

template <class T>
struct SparseMicro {
  /// out (length) += sum over i < count of factor[i] * base[offset[i] .. offset[i] + length)
  void (*add_scaled_rows)(int64_t count, const RowOffset<T>* offset, const T* factor, const T* base, int64_t length,
                          T* out);
  /// For each filter f the non-zeros of its column: the offsets of their pixels, and they themselves, as lists that
  /// begin at f * stride and have counts[f] members; stride >= s.count + kListSlack.
  void (*list_by_filter)(const PooledSlopes<T>& s, const PixelOffsets<T>& pixels, int64_t stride, RowOffset<T>* offset,
                         T* factor, int64_t* counts);
  /// For each window, and each of its `pixels` pixels, the non-zeros that belong there, one list behind the other: the
  /// filter times `stride`, and they themselves; list i ends at ends[i].
  void (*list_by_pixel)(const PooledSlopes<T>& s, int64_t pixels, int64_t stride, RowOffset<T>* offset, T* factor,
                        int64_t* ends);
};

HL_MICRO(SparseMicro, sparse)

}  // namespace hotloop::isa
