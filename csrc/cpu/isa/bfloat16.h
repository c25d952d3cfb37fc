// Rounding to bfloat16, the upper half of a float: to nearest, ties to even; NaN stays NaN.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"

namespace hotloop::isa {

template <class T>
struct Bfloat16Micro {
  /// y (n) = x (n) rounded, as T; y may be x.
  void (*round)(int64_t n, const T* x, T* y);
  /// y (n) = x (n) rounded, the upper halves alone.
  void (*round_to_halves)(int64_t n, const T* x, uint16_t* y);
  /// Pairs of rows, column by column: y[(p / 2 * stride + j) * 2 + p % 2] = x[p * x_row + j] rounded, p < rows, j <
  /// cols; zeros for the row that an odd number of them lacks.
  void (*round_to_pairs)(int64_t rows, int64_t cols, const T* x, int64_t x_row, uint16_t* y, int64_t stride);
};

HL_MICRO(Bfloat16Micro, bfloat16)

}  // namespace hotloop::isa
