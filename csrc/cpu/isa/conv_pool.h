// Convolutions that are pooled at once: the pixels of one window are the rows of a register tile.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"

namespace hotloop::isa {

/// A row of windows that lie side by side. Product d of pixel p of window k reads image[k * step + pixel[p] + tap[d]].
template <class T>
struct WindowRow {
  const T* image;
  int64_t count, step;
  int64_t pixels, depth;
  const int64_t *pixel, *tap;
};

template <class T>
struct ConvPoolMicro {
  /// y[k * y_row + j] = max over the pixels of window k of their products with column j of panel (depth, columns of
  /// GemmMicro), + bias[j] if there is one, relu if asked for; argmax alike, or null, is the first such pixel. NaN
  /// wins. j < n <= columns.
  void (*max_of_windows)(const WindowRow<T>& row, const T* panel, const T* bias, int n, bool relu, T* y,
                         uint8_t* argmax, int64_t y_row);
  /// sum (depth, columns) += image times dy[k * y_row + j] of the pixels that argmax[k * y_row + j] names; j < n.
  void (*add_weight_grad)(const WindowRow<T>& row, const T* dy, const uint8_t* argmax, int64_t y_row, int n, T* sum);
};

HL_MICRO(ConvPoolMicro, conv_pool)

}  // namespace hotloop::isa
