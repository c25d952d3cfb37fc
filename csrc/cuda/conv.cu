// Convolution forward: few channels directly, 1 x 1 as it is, all else as a product with patches of x.
#include "cuda/conv_direct.cuh"
#include "cuda/conv_patches.cuh"

namespace hotloop::cuda {

Patches output_patches(const Conv2dShape& s, const float* x) {
  const int channels = static_cast<int>(s.c / s.groups), rows = static_cast<int>(s.oh),
            columns = static_cast<int>(s.ow);
  return {x,
          static_cast<int>(s.h),
          static_cast<int>(s.w),
          static_cast<int>(s.c),
          rows,
          columns,
          static_cast<int>(-s.pad_top),
          static_cast<int>(s.stride_h),
          static_cast<int>(s.dilation_h),
          static_cast<int>(-s.pad_left),
          static_cast<int>(s.stride_w),
          static_cast<int>(s.dilation_w),
          channels,
          SmallDivisor(rows * columns),
          SmallDivisor(columns),
          SmallDivisor(channels),
          SmallDivisor(static_cast<int>(s.kw))};
}

Status check_sizes(const Conv2dShape& s) {
  constexpr int64_t most = INT_MAX / 2, margin = kSlab * kMostSplits;
  const int64_t reach_h = (s.kh + kSlab) * s.dilation_h + s.pad_top,
                reach_w = (s.kw + kSlab) * s.dilation_w + s.pad_left;
  for (const int64_t size :
       {s.n * s.oh * s.ow + margin, s.n * s.h * s.w + margin, (s.h + reach_h) * (s.w + reach_w) * s.c,
        s.oh * s.ow * s.f, s.kh * s.kw * (s.c / s.groups) * s.f + margin, s.kh * s.kw * s.f + margin}) {
    if (size > most) return "images, pixels or weights are beyond 2^30 elements";
  }
  return kOk;
}

bool is_pointwise(const Conv2dShape& s) {
  return s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.groups == 1 && s.oh == s.h && s.ow == s.w &&
         s.pad_top == 0 && s.pad_left == 0;
}

Status conv2d(const Conv2dShape& s, const float* x, const float* w, const float* bias, float* y) {
  if (s.n * s.oh * s.ow * s.f == 0) return kOk;
  HL_TRY(check_sizes(s));
  const int64_t pixels = s.n * s.oh * s.ow, channels = s.c / s.groups;
  if (is_pointwise(s) || channels == 0) {
    MatmulShape product{};
    product.m = pixels, product.n = s.f, product.k = s.kh * s.kw * channels;
    product.a_row = product.k, product.a_col = 1;
    product.b_row = s.f, product.b_col = 1;
    product.activation = s.activation;
    return matmul(product, x, w, bias, y);
  }
  const bool relu = s.activation.kind == Activation::relu;
  const int filters = static_cast<int>(s.f / s.groups), depth = static_cast<int>(s.kh * s.kw * channels);
  if (channels <= kMostDirectChannels) {
    HL_TRY(direct_conv(s, x, w, bias, relu, y));
  } else {
    const PatchRows patches = {output_patches(s, x)};
    const Matrix weights = grouped_columns(w, s.f, s.groups);
    const bool aligned = aligned16(x) && aligned16(w) && s.c % 4 == 0 && channels % 4 == 0 && filters % 4 == 0;
    const Finish finish = {bias, true, relu};
    HL_TRY((run_precise<true, false>("conv2d", aligned, patches, weights, Rows{y, s.f, filters}, finish,
                                     static_cast<int>(pixels), filters, depth, static_cast<int>(s.groups))));
  }
  if (relu || s.activation.kind == Activation::none) return kOk;
  return activation(s.activation, pixels * s.f, y, y);
}

}  // namespace hotloop::cuda
