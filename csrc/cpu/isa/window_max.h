// The maximum over the windows of one pooled row, while the row's convolution is still in cache.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"

namespace hotloop::isa {

/// One pooled row of windows that lie side by side: sums is (pool_h, count * pool_w, channels).
template <class T>
struct WindowRow {
  const T* sums;
  const T* bias;  // (channels) or null, added to the maximum
  int64_t count, channels;
  int64_t pool_h, pool_w;
};

template <class T>
struct WindowMaxMicro {
  /// y (count, channels) = max of each window + bias; argmax (count, channels) or null = i * pool_w + j of the first
  /// maximum; NaN wins.
  void (*max_of_windows)(const WindowRow<T>& row, T* y, uint8_t* argmax);
};

HL_MICRO(WindowMaxMicro, window_max)

}  // namespace hotloop::isa
