// Where the windows of a pooled convolution lie in an image: offsets that the kernels add up, made once a call.
#pragma once

#include <vector>

#include "cpu/isa/conv_pool.h"
#include "shapes.h"

namespace hotloop::cpu {

/// Pooled row i sees the image through a frame: the image itself, or where the convolution pads, a copy with zeros
/// around it. Offsets count elements of the frame.
struct WindowFrame {
  explicit WindowFrame(const ConvPoolShape& s);

  int64_t h, w, c;  // of the frame
  int64_t top, left;
  bool padded;
  int64_t window_step, window_row;  // between the first pixels of windows: side by side, and one below the other
  std::vector<int64_t> pixel;       // of each pixel of a window, from the window's first
  std::vector<int64_t> tap;         // of each product of a patch over the channels of one group, from the patch's first
  int64_t group_channels;
  int64_t size() const { return h * w * c; }

  /// Pooled row i of `count` windows over a frame, as one group of filters sees it.
  template <class T>
  isa::WindowRow<T> row(const T* frame, int64_t i, int64_t count, int64_t group) const {
    return {frame + i * window_row + group * group_channels,
            count,
            window_step,
            static_cast<int64_t>(pixel.size()),
            static_cast<int64_t>(tap.size()),
            pixel.data(),
            tap.data()};
  }

  /// The image as a frame: a copy in `out` (size()), of which rows [first, last) are made; or the image as it is.
  template <class T>
  const T* around(const Conv2dShape& conv, const T* image, int64_t first, int64_t last, T* out) const;
  /// The image of a frame, taken out again.
  template <class T>
  void take_out(const Conv2dShape& conv, const T* frame, T* image) const;
};

}  // namespace hotloop::cpu
