// Convolution backward. Input gradient: a pixel of x is seen by those taps only that hit it, and with a stride these
// depend on the pixel's row and column modulo the stride: each such phase is a product of patches of dy with its own
// taps. Weight gradient: patches of x, turned, times dy; its depth is all pixels, so that it is split as a rule.
#include <numeric>

#include "cuda/conv_direct.cuh"
#include "cuda/conv_patches.cuh"

namespace hotloop::cuda {
namespace {

// One axis of a phase. Taps that hit its pixels are a constant step apart; pixel i meets tap first + k * step at
// position begin + i + k * move of dy.
struct PhaseAxis {
  int pixels, taps;
  int first = 0, step = 1;
  int begin = 0, move = 0;

  PhaseAxis(int64_t size, int64_t kernel, int64_t stride, int64_t dilation, int64_t pad, int64_t phase)
      : pixels(static_cast<int>((size - phase + stride - 1) / stride)), taps(0) {
    const int64_t common = std::gcd(stride, dilation);
    step = static_cast<int>(stride / common);
    move = static_cast<int>(-dilation / common);
    for (int64_t tap = 0; tap < kernel; ++tap) {
      const int64_t reach = phase + pad - tap * dilation;
      if (reach % stride != 0) continue;
      if (taps++ == 0) {
        first = static_cast<int>(tap);
        begin = static_cast<int>(reach / stride);
      }
    }
  }
};

Status input_grad_phase(const Conv2dShape& s, int64_t phase_row, int64_t phase_column, const float* dy, const float* w,
                        float* dx) {
  const PhaseAxis down(s.h, s.kh, s.stride_h, s.dilation_h, s.pad_top, phase_row);
  const PhaseAxis right(s.w, s.kw, s.stride_w, s.dilation_w, s.pad_left, phase_column);
  if (down.pixels <= 0 || right.pixels <= 0) return kOk;
  const int channels = static_cast<int>(s.c / s.groups), filters = static_cast<int>(s.f / s.groups);
  const int f = static_cast<int>(s.f), kw = static_cast<int>(s.kw), c = static_cast<int>(s.c);
  const int row_taps = down.taps, column_taps = right.taps > 0 ? right.taps : 1;
  const PatchRows patches = {{dy, static_cast<int>(s.oh), static_cast<int>(s.ow), f, down.pixels, right.pixels,
                              down.begin, 1, down.move, right.begin, 1, right.move, filters,
                              SmallDivisor(down.pixels * right.pixels), SmallDivisor(right.pixels),
                              SmallDivisor(filters), SmallDivisor(column_taps)}};
  const TapWeights weights = {w,
                              filters,
                              f,
                              down.first * kw + right.first,
                              down.step * kw,
                              right.step,
                              channels * f,
                              SmallDivisor(filters),
                              SmallDivisor(column_taps)};
  const EveryPixel out = {dx + (phase_row * s.w + phase_column) * s.c,
                          s.h * s.w * s.c,
                          static_cast<int>(s.stride_h * s.w * s.c),
                          static_cast<int>(s.stride_w) * c,
                          channels,
                          SmallDivisor(down.pixels * right.pixels),
                          SmallDivisor(right.pixels)};
  const bool aligned = aligned16(dy) && aligned16(w) && f % 4 == 0 && filters % 4 == 0;
  return run_precise<true, true>("conv2d_input_grad", aligned, patches, weights, out, Finish{},
                                 static_cast<int>(s.n) * down.pixels * right.pixels, channels,
                                 row_taps * right.taps * filters, static_cast<int>(s.groups));
}

}  // namespace

Status conv2d_input_grad(const Conv2dShape& s, const float* dy, const float* w, float* dx) {
  if (s.n * s.h * s.w * s.c == 0) return kOk;
  if (s.f == 0 || s.oh * s.ow == 0) return fill(dx, 0, s.n * s.h * s.w * s.c * static_cast<int64_t>(sizeof(float)));
  HL_TRY(check_sizes(s));
  if (is_pointwise(s)) {
    MatmulShape product{};
    product.m = s.n * s.h * s.w, product.n = s.c, product.k = s.f;
    product.a_row = s.f, product.a_col = 1;
    product.b_row = 1, product.b_col = s.f;
    return matmul(product, dy, w, nullptr, dx);
  }
  if (has_small_patches(s)) return direct_input_grad(s, dy, w, dx);
  for (int64_t row = 0; row < s.stride_h; ++row) {
    for (int64_t column = 0; column < s.stride_w; ++column) HL_TRY(input_grad_phase(s, row, column, dy, w, dx));
  }
  return kOk;
}

Status conv2d_weight_grad(const Conv2dShape& s, const float* x, const float* dy, float* dw) {
  const int64_t channels = s.c / s.groups, patch = s.kh * s.kw * channels, pixels = s.n * s.oh * s.ow;
  if (patch * s.f == 0) return kOk;
  if (pixels == 0) return fill(dw, 0, patch * s.f * static_cast<int64_t>(sizeof(float)));
  HL_TRY(check_sizes(s));
  if (is_pointwise(s)) {
    MatmulShape product{};
    product.m = s.c, product.n = s.f, product.k = pixels;
    product.a_row = 1, product.a_col = s.c;
    product.b_row = s.f, product.b_col = 1;
    return matmul(product, x, dy, nullptr, dw);
  }
  if (has_small_patches(s)) return direct_weight_grad({s, 1, 1, s.oh, s.ow}, x, dy, nullptr, dw);
  const int filters = static_cast<int>(s.f / s.groups);
  const PatchColumns patches = {output_patches(s, x)};
  const Matrix gradient = grouped_columns(dy, s.f, s.groups);
  const bool aligned = aligned16(x) && aligned16(dy) && s.c % 4 == 0 && channels % 4 == 0 && filters % 4 == 0;
  return run_precise<false, false>("conv2d_weight_grad", aligned, patches, gradient, Rows{dw, s.f, filters}, Finish{},
                                   static_cast<int>(patch), filters, static_cast<int>(pixels),
                                   static_cast<int>(s.groups));
}

}  // namespace hotloop::cuda
