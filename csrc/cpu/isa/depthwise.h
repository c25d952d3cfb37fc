// Depthwise convolution of a run of pixels that see the same taps: every channel has its own product and sum.
#pragma once

#include <cstdint>

#include "cpu/isa/micro.h"

namespace hotloop::isa {

/// Pixel p sees, at tap t, the channels that begin at x + x_offset[t] + p * x_step, weighted by those at
/// w + w_offset[t]; its own channels begin at y + p * channels. The taps from `taps` on, up to all_taps, lie in the
/// padding and see zeros, which a NaN or an infinity turns into NaN.
struct TapRun {
  int64_t pixels, channels, x_step;
  int64_t taps, all_taps;
  const int64_t* x_offset;
  const int64_t* w_offset;
};

template <class T>
struct DepthwiseMicro {
  /// y (pixels, channels) = bias (channels) or null + sum over taps of x * w
  void (*forward)(const TapRun& run, const T* x, const T* w, const T* bias, T* y);
  /// dw += sum over pixels of x * dy (pixels, channels), at every tap's w_offset
  void (*weight_grad)(const TapRun& run, const T* x, const T* dy, T* dw);
};

HL_MICRO(DepthwiseMicro, depthwise)

}  // namespace hotloop::isa
