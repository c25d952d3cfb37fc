// Convolutions of images with few channels, where a product's tiles would be mostly empty.
#pragma once

#include "cuda/common.cuh"

namespace hotloop::cuda {

inline constexpr int kMostDirectChannels = 4;  // of a group

/// y = conv(x, w) + bias or null, and relu where asked for.
Status direct_conv(const Conv2dShape& s, const float* x, const float* w, const float* bias, bool relu, float* y);

/// y = max_pool(conv(x, w)) + bias or null, relu where asked for; argmax or null as in kernels.h.
Status direct_conv_pool(const ConvPoolShape& s, const float* x, const float* w, const float* bias, bool relu, float* y,
                        uint8_t* argmax);

/// Whether gradients had better go these ways: few channels, and patches so small or groups so many that a product's
/// tiles would be mostly empty.
bool has_small_patches(const Conv2dShape& s);

/// dx (n, h, w, c) from dy (n, oh, ow, f)
Status direct_input_grad(const Conv2dShape& s, const float* dy, const float* w, float* dx);

/// dw (kh, kw, c / groups, f) from x (n, h, w, c) and dy (n, oh, ow, f) at the positions argmax names, or, where argmax
/// is null and windows are 1 x 1, at every pixel.
Status direct_weight_grad(const ConvPoolShape& s, const float* x, const float* dy, const uint8_t* argmax, float* dw);

}  // namespace hotloop::cuda
