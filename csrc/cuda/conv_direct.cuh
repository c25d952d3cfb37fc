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

}  // namespace hotloop::cuda
