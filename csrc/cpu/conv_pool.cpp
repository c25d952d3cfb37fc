// conv2d + bias + activation + max_pool2d as one: the unpooled map lives in cache, a few rows at a time, and pixels
// that the pool drops are never computed.
#include <algorithm>

#include "backend.h"
#include "cpu/gemm.h"
#include "cpu/isa/window_max.h"
#include "cpu/patches.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kTileSums = 16 * 1024;  // elements of the unpooled map held at a time

// Pooled rows [first, last) of one image.
template <class T>
void pooled_rows(const ConvPoolShape& s, const T* image, const T* panels, const T* bias, int64_t first, int64_t last,
                 T* y, uint8_t* argmax) {
  const Conv2dShape& conv = s.conv;
  const int columns = isa::gemm_micro<T>().columns;
  const int64_t filters = conv.f / conv.groups, width = s.ow * s.pool_w;
  const int64_t pixels = (last - first) * s.pool_h * width;
  const int64_t depth = conv.kh * conv.kw * (conv.c / conv.groups);
  const Scratch<T> patches(pixels * depth), sums(pixels * conv.f);
  for (int64_t group = 0; group < conv.groups; ++group) {
    const PatchPlan plan = output_patches(conv, group);
    const bool side_by_side = pixels_side_by_side(plan);
    const int64_t pixel_stride = side_by_side ? 1 : depth, depth_stride = side_by_side ? pixels : 1;
    for (int64_t i = first * s.pool_h; i < last * s.pool_h; ++i) {
      T* out = patches + (i - first * s.pool_h) * width * pixel_stride;
      gather_patches(plan, image, i, 0, width, out, pixel_stride, depth_stride);
    }
    const int64_t panel = depth * columns, group_panels = (filters + columns - 1) / columns;
    gemm_block<T>(pixels, filters, depth, {patches, pixel_stride, depth_stride},
                  {panels + group * group_panels * panel, panel, columns}, sums + group * filters, conv.f, {});
  }
  if (depth == 0) std::fill_n(sums.get(), pixels * conv.f, T{});  // no channels: products over nothing
  const int64_t row = s.ow * conv.f;
  for (int64_t i = first; i < last; ++i) {
    const isa::WindowRow<T> windows = {
        sums + (i - first) * s.pool_h * width * conv.f, bias, s.ow, conv.f, s.pool_h, s.pool_w};
    isa::window_max_micro<T>().max_of_windows(windows, y + i * row, argmax != nullptr ? argmax + i * row : nullptr);
  }
  apply_activation(conv.activation, 1, (last - first) * row, y + first * row, row);
}

}  // namespace

template <class T>
Status conv2d_max_pool2d(const ConvPoolShape& s, const T* x, const T* w, const T* bias, T* y, uint8_t* argmax) {
  const Conv2dShape& conv = s.conv;
  const int64_t row = s.ow * conv.f;
  if (conv.n * s.oh * row == 0) return kOk;
  const int columns = isa::gemm_micro<T>().columns;
  const int64_t filters = conv.f / conv.groups, depth = conv.kh * conv.kw * (conv.c / conv.groups);
  const int64_t panels = (filters + columns - 1) / columns;
  const Scratch<T> packed(conv.groups * panels * depth * columns);
  for (int64_t group = 0; group < conv.groups; ++group) {
    pack_panels<T>(depth, filters, {w + group * filters, conv.f, 1}, 0, panels,
                   packed + group * panels * depth * columns, depth * columns);
  }
  const int64_t row_pixels = s.pool_h * s.ow * s.pool_w;
  const int64_t rows_for_sums = kTileSums / (row_pixels * conv.f);
  const int64_t rows_for_patches = tile_pixels(output_patches(conv, 0)) / row_pixels;
  const int64_t block = std::clamp<int64_t>(std::min(rows_for_sums, rows_for_patches), 1, s.oh);
  const int64_t blocks = (s.oh + block - 1) / block;
  parallel_for(conv.n * blocks, [&](int64_t job) {
    const int64_t image = job / blocks, first = job % blocks * block;
    pooled_rows<T>(s, x + image * conv.h * conv.w * conv.c, packed, bias, first, std::min(s.oh, first + block),
                   y + image * s.oh * row, argmax != nullptr ? argmax + image * s.oh * row : nullptr);
  });
  return kOk;
}

template Status conv2d_max_pool2d<float>(const ConvPoolShape&, const float*, const float*, const float*, float*,
                                         uint8_t*);
template Status conv2d_max_pool2d<double>(const ConvPoolShape&, const double*, const double*, const double*, double*,
                                          uint8_t*);

}  // namespace hotloop::cpu
