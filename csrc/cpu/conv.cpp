// Convolution forward: tiles of output pixels, each gathered into patches and multiplied with the packed weights; or
// Winograd's way where it takes fewer products.
#include <algorithm>
#include <deque>

#include "backend.h"
#include "cpu/conv_depthwise.h"
#include "cpu/packed_matrix.h"
#include "cpu/patches.h"
#include "cpu/winograd.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

bool is_pointwise(const Conv2dShape& s) {
  return s.kh == 1 && s.kw == 1 && s.stride_h == 1 && s.stride_w == 1 && s.groups == 1 && s.oh == s.h && s.ow == s.w &&
         s.pad_top == 0 && s.pad_left == 0;
}

// Output pixels [begin, end) of all images, counted through.
template <class T>
void forward_tile(const Conv2dShape& s, const PatchPlan& plan, int64_t group, const T* x, const PackedMatrix<T>& w,
                  const T* bias, int64_t begin, int64_t end, T* y) {
  const int64_t count = end - begin, depth = plan.depth(), filters = s.f / s.groups;
  const bool side_by_side = pixels_side_by_side(plan);
  const int64_t pixel_stride = side_by_side ? 1 : depth, depth_stride = side_by_side ? count : 1;
  const Scratch<T> patches(count * depth);
  gather_pixels(plan, s.oh, s.ow, x, begin, end, patches.get(), pixel_stride, depth_stride);
  T* out = y + begin * s.f + group * filters;
  const isa::TileEnd<T> finish = {.bias = bias != nullptr ? bias + group * filters : nullptr,
                                  .add = false,
                                  .relu = s.activation.kind == Activation::relu};
  w.multiply(count, {patches, pixel_stride, depth_stride}, out, s.f, finish);
  if (!finish.relu) apply_activation(s.activation, count, filters, out, s.f);
}

template <class T>
void conv2d_by_patches(const Conv2dShape& s, const T* x, const T* w, const T* bias, T* y) {
  const int64_t pixels = s.n * s.oh * s.ow;
  const int64_t filters = s.f / s.groups, depth = s.kh * s.kw * (s.c / s.groups);
  std::deque<PackedMatrix<T>> packed;  // a group's each
  for (int64_t group = 0; group < s.groups; ++group) {
    packed.emplace_back(depth, filters, MatrixView<T>{w + group * filters, s.f, 1}, s.in_bfloat16);
  }
  const int64_t tile = tile_pixels(output_patches(s, 0));
  const int64_t tiles = (pixels + tile - 1) / tile;
  parallel_for(tiles * s.groups, [&](int64_t job) {
    const int64_t group = job % s.groups, begin = job / s.groups * tile;
    forward_tile<T>(s, output_patches(s, group), group, x, packed[static_cast<std::size_t>(group)], bias, begin,
                    std::min(pixels, begin + tile), y);
  });
}

}  // namespace

template <class T>
Status conv2d(const Conv2dShape& s, const T* x, const T* w, const T* bias, T* y) {
  const int64_t pixels = s.n * s.oh * s.ow;
  if (pixels == 0 || s.f == 0) return kOk;
  if (is_depthwise(s)) {
    depthwise_conv2d(s, x, w, bias, y);
    return kOk;
  }
  if (is_pointwise(s)) {
    gemm<T>(pixels, s.f, s.c, {x, s.c, 1}, {w, s.f, 1}, bias, s.activation, y, s.in_bfloat16);
    return kOk;
  }
  if (s.c == 0) {  // no channels: a product over nothing
    gemm<T>(pixels, s.f, 0, {x, 0, 0}, {w, s.f, 1}, bias, s.activation, y);
    return kOk;
  }
  if (!suits_winograd(s) || s.in_bfloat16) {
    conv2d_by_patches(s, x, w, bias, y);
    return kOk;
  }
  const Correlation forward = {s.n, s.h, s.w, s.c, s.oh, s.ow, s.f, s.pad_top, s.pad_left};
  Conv2dShape one = s;
  one.n = 1;
  for (const int64_t n : winograd<T>(forward, x, {w, s.c * s.f, s.f, 1}, bias, s.activation, y)) {
    conv2d_by_patches(one, x + n * s.h * s.w * s.c, w, bias, y + n * s.oh * s.ow * s.f);
  }
  return kOk;
}

template Status conv2d<float>(const Conv2dShape&, const float*, const float*, const float*, float*);
template Status conv2d<double>(const Conv2dShape&, const double*, const double*, const double*, double*);

}  // namespace hotloop::cpu
