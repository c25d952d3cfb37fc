// Pooling, one row of the result at a time.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"
#include "shapes.h"

namespace hotloop::isa {

// x and dx are one image (h, w, c), y and dy one image (oh, ow, c), indices (oh, ow, c).

template <class T>
struct PoolMicro {
  /// Row oy of y and, unless null, of indices.
  void (*max_row)(const Pool2dShape& s, int64_t oy, const T* x, T* y, int32_t* indices);
  /// Row oy of y.
  void (*avg_row)(const Pool2dShape& s, int64_t oy, const T* x, T* y);
};

template <class T>
struct PoolGradMicro {
  /// From how many channels on max_grad_row is the way; with fewer, max_grad_image.
  int64_t row_channels;
  /// Row iy of dx.
  void (*max_grad_row)(const Pool2dShape& s, int64_t iy, const T* dy, const int32_t* indices, T* dx);
  /// All of dx.
  void (*max_grad_image)(const Pool2dShape& s, const T* dy, const int32_t* indices, T* dx);
  /// scales (ow, c): one over the columns that each window of a row averages.
  void (*avg_scales)(const Pool2dShape& s, T* scales);
  /// Row iy of dx; line (ow, c) is scratch.
  void (*avg_grad_row)(const Pool2dShape& s, int64_t iy, const T* dy, const T* scales, T* line, T* dx);
};

HL_MICRO(PoolMicro, pool)
HL_MICRO(PoolGradMicro, pool_grad)

}  // namespace hotloop::isa
