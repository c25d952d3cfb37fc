#include "cpu/window_frame.h"

#include <algorithm>

namespace hotloop::cpu {

WindowFrame::WindowFrame(const ConvPoolShape& s) {
  const Conv2dShape& conv = s.conv;
  top = conv.pad_top;
  left = conv.pad_left;
  c = conv.c;
  group_channels = conv.c / conv.groups;
  h = std::max(conv.h + top, (s.oh * s.pool_h - 1) * conv.stride_h + (conv.kh - 1) * conv.dilation_h + 1);
  w = std::max(conv.w + left, (s.ow * s.pool_w - 1) * conv.stride_w + (conv.kw - 1) * conv.dilation_w + 1);
  padded = h != conv.h || w != conv.w;
  window_step = s.pool_w * conv.stride_w * c;
  window_row = s.pool_h * conv.stride_h * w * c;
  for (int64_t i = 0; i < s.pool_h; ++i) {
    for (int64_t j = 0; j < s.pool_w; ++j) pixel.push_back((i * conv.stride_h * w + j * conv.stride_w) * c);
  }
  for (int64_t r = 0; r < conv.kh; ++r) {
    for (int64_t q = 0; q < conv.kw; ++q) {
      for (int64_t channel = 0; channel < group_channels; ++channel) {
        tap.push_back((r * conv.dilation_h * w + q * conv.dilation_w) * c + channel);
      }
    }
  }
}

template <class T>
const T* WindowFrame::around(const Conv2dShape& conv, const T* image, int64_t first, int64_t last, T* out) const {
  if (!padded) return image;
  std::fill(out + first * w * c, out + last * w * c, T{});
  for (int64_t i = std::max(first, top); i < std::min(last, top + conv.h); ++i) {
    std::copy_n(image + (i - top) * conv.w * c, conv.w * c, out + (i * w + left) * c);
  }
  return out;
}

template <class T>
void WindowFrame::take_out(const Conv2dShape& conv, const T* frame, T* image) const {
  for (int64_t i = 0; i < conv.h; ++i) {
    std::copy_n(frame + ((i + top) * w + left) * c, conv.w * c, image + i * conv.w * c);
  }
}

#define HL_INSTANTIATE(T)                                                                             \
  template const T* WindowFrame::around<T>(const Conv2dShape&, const T*, int64_t, int64_t, T*) const; \
  template void WindowFrame::take_out<T>(const Conv2dShape&, const T*, T*) const;
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)

}  // namespace hotloop::cpu
