// 3 x 3 correlations of stride 1 with 16 products for every 2 x 2 results instead of 36: cpu/isa/winograd.h.
#pragma once

#include <vector>

#include "shapes.h"

namespace hotloop::cpu {

/// Result pixel (i, j) sees source rows i - top .. i - top + 2 and columns alike, zeros outside. That is what conv2d
/// is, and its input gradient, with the filters turned round.
struct Correlation {
  int64_t n;
  int64_t h, w, c;    // of the source
  int64_t oh, ow, f;  // of the result
  int64_t top, left;  // zeros around the source
};

/// Element (tap, channel, filter) is data[tap * taps + channel * channels + filter * filters].
template <class T>
struct FilterView {
  const T* data;
  int64_t taps, channels, filters;
};

/// Whether a convolution can be done so, and is worth it both ways: by the shape of one image alone, so that an image's
/// results don't depend on the others.
bool suits_winograd(const Conv2dShape& s);
/// The same of its weight gradient, a sum over all images.
bool suits_winograd_weight_grad(const Conv2dShape& s);

/// y (n, oh, ow, f) = act(correlation of x (n, h, w, c) + bias or null).
/// Where numbers are not finite, or too large to be added up first, this way gives other results than the plain one:
/// returns the images for which that may be so; the caller does them again.
template <class T>
std::vector<int64_t> winograd(const Correlation& s, const T* x, const FilterView<T>& filters, const T* bias,
                              ActivationSpec activation, T* y);

/// The same, of which the largest of each 2 x 2 is kept: y and argmax (or null) are (n, oh / 2, ow / 2, f).
template <class T>
std::vector<int64_t> winograd_max_pool(const Correlation& s, const T* x, const FilterView<T>& filters, const T* bias,
                                       ActivationSpec activation, T* y, uint8_t* argmax);

/// dw (3, 3, c, f) from x (n, h, w, c) and dy (n, oh, ow, f); whether that is what the plain way gives, as above.
template <class T>
bool winograd_weight_grad(const Correlation& s, const T* x, const T* dy, T* dw);

}  // namespace hotloop::cpu
