// Softmax along the middle axis of (outer, length, inner), in the three ways its shape can lie in vectors.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"
#include "shapes.h"

namespace hotloop::isa {

template <class T>
struct SoftmaxMicro {
  int lanes;       // columns that `lines` takes at a time
  int short_axis;  // the longest axis that `lines` takes

  /// One long row after the other: y (rows, length) from x (rows, length), length >= lanes.
  void (*rows)(int64_t rows, int64_t length, bool logarithm, const T* x, T* y);
  void (*rows_grad)(int64_t rows, int64_t length, bool logarithm, const T* y, const T* dy, T* dx);

  /// Neighbouring columns side by side: y (length, count) from x (length, count), whose lines lie `stride` apart.
  void (*columns)(int64_t length, int64_t count, int64_t stride, bool logarithm, const T* x, T* y);
  void (*columns_grad)(int64_t length, int64_t count, int64_t stride, bool logarithm, const T* y, const T* dy, T* dx);

  /// Columns [first, first + count) of outer * inner, gathered from anywhere; length <= short_axis.
  void (*lines)(const AxisShape& s, int64_t first, int64_t count, bool logarithm, const T* x, T* y);
  void (*lines_grad)(const AxisShape& s, int64_t first, int64_t count, bool logarithm, const T* y, const T* dy, T* dx);
};

HL_MICRO(SoftmaxMicro, softmax)

}  // namespace hotloop::isa
