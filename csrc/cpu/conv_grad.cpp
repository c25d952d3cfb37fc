// Convolution backward, both gradients on gathered patches.
//
// Input gradient: a pixel of x is seen by those taps only that hit it, and with a stride these depend on the pixel's
// row and column modulo the stride. Each such phase is a dense convolution of dy with its own taps.
// Weight gradient: patches transposed times dy, summed over pixels in at most 16 parts that are added up in order.
#include <algorithm>

#include "backend.h"
#include "cpu/conv_depthwise.h"
#include "cpu/isa/elementwise.h"
#include "cpu/packed_matrix.h"
#include "cpu/patches.h"
#include "cpu/winograd.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kMaxParts = 16;
constexpr int64_t kUnitPixels = 128;  // of a tile, in bfloat16

// The weights of a phase's taps as rows (tap, filter) of channels.
template <class T>
void turn_taps(const Conv2dShape& s, int64_t group, const std::vector<int64_t>& rows, const std::vector<int64_t>& cols,
               const T* w, T* turned) {
  const int64_t channels = s.c / s.groups, filters = s.f / s.groups;
  for (const int64_t r : rows) {
    for (const int64_t q : cols) {
      const T* tap = w + (r * s.kw + q) * channels * s.f + group * filters;
      isa::elementwise_micro<T>().transpose(filters, channels, tap, s.f, turned, channels);
      turned += filters * channels;
    }
  }
}

// One stride phase of one group: pixels (phase_row + i * stride_h, phase_col + j * stride_w) of every image.
template <class T>
void input_grad_phase(const Conv2dShape& s, int64_t group, int64_t phase_row, int64_t phase_col, const T* dy,
                      const T* w, T* dx) {
  const int64_t channels = s.c / s.groups;
  const int64_t rows = (s.h - phase_row + s.stride_h - 1) / s.stride_h;
  const int64_t cols = (s.w - phase_col + s.stride_w - 1) / s.stride_w;
  if (rows <= 0 || cols <= 0) return;
  std::vector<int64_t> tap_rows, tap_cols;
  const PatchPlan plan = input_patches(s, group, phase_row, phase_col, tap_rows, tap_cols);
  const int64_t depth = plan.depth();
  const Scratch<T> turned(depth * channels);
  turn_taps(s, group, tap_rows, tap_cols, w, turned.get());
  const PackedMatrix<T> packed(depth, channels, {turned, channels, 1}, s.in_bfloat16 && depth > 0);
  const int64_t block = std::max<int64_t>(1, tile_pixels(plan) / cols);  // rows of pixels a job
  const int64_t blocks = (rows + block - 1) / block;
  const bool side_by_side = pixels_side_by_side(plan);
  parallel_for(s.n * blocks, [&](int64_t job) {
    const int64_t image = job / blocks, first = job % blocks * block, last = std::min(rows, first + block);
    const int64_t pixel_stride = side_by_side ? 1 : depth, depth_stride = side_by_side ? cols : 1;
    const Scratch<T> patches(cols * depth), sums(s.stride_w > 1 ? cols * channels : 0);
    for (int64_t i = first; i < last; ++i) {
      breathe();
      T* out = dx + ((image * s.h + phase_row + i * s.stride_h) * s.w + phase_col) * s.c + group * channels;
      if (depth == 0) {
        for (int64_t j = 0; j < cols; ++j) std::fill_n(out + j * s.stride_w * s.c, channels, T{});
        continue;
      }
      gather_patches(plan, dy + image * s.oh * s.ow * s.f, i, 0, cols, patches.get(), pixel_stride, depth_stride);
      packed.multiply(cols, {patches, pixel_stride, depth_stride}, out, s.stride_w * s.c, {});
    }
  });
}

template <class T>
void input_grad_by_patches(const Conv2dShape& s, const T* dy, const T* w, T* dx) {
  for (int64_t group = 0; group < s.groups; ++group) {
    for (int64_t phase_row = 0; phase_row < s.stride_h; ++phase_row) {
      for (int64_t phase_col = 0; phase_col < s.stride_w; ++phase_col) {
        input_grad_phase(s, group, phase_row, phase_col, dy, w, dx);
      }
    }
  }
}

// Adds the weight gradient of pixels [begin, end) to sum (depth, filters).
template <class T>
void weight_grad_tile(const Conv2dShape& s, const PatchPlan& plan, int64_t group, const T* x, const T* dy,
                      int64_t begin, int64_t end, bool add, T* sum) {
  const int columns = isa::gemm_micro<T>().columns;
  const int64_t count = end - begin, depth = plan.depth(), filters = s.f / s.groups;
  const bool side_by_side = pixels_side_by_side(plan);
  const int64_t pixel_stride = side_by_side ? 1 : depth, depth_stride = side_by_side ? count : 1;
  const Scratch<T> patches(count * depth);
  gather_pixels(plan, s.oh, s.ow, x, begin, end, patches.get(), pixel_stride, depth_stride);
  const MatrixView<T> right = {dy + begin * s.f + group * filters, s.f, 1};
  const MatrixView<T> left = {patches, depth_stride, pixel_stride};
  if (filters % columns == 0 && !s.in_bfloat16) {
    gemm_block<T>(depth, filters, count, left, {right.data, columns, s.f}, sum, filters, {.add = add});
  } else {
    PackedMatrix<T>(count, filters, right, s.in_bfloat16).multiply(depth, left, sum, filters, {.add = add});
  }
}

template <class T>
void weight_grad_by_patches(const Conv2dShape& s, const T* x, const T* dy, T* dw) {
  const int64_t pixels = s.n * s.oh * s.ow, filters = s.f / s.groups, depth = s.kh * s.kw * (s.c / s.groups);
  const int64_t size = s.groups * depth * filters;
  // The unit takes pixels 32 at a time, and both operands are packed for it.
  const int64_t few = tile_pixels(output_patches(s, 0)),
                tile = s.in_bfloat16 ? round_up(std::max(few, kUnitPixels), 32) : few;
  const int64_t tiles = (pixels + tile - 1) / tile;
  const int64_t per_part = (tiles + kMaxParts - 1) / kMaxParts, parts = (tiles + per_part - 1) / per_part;
  const Scratch<T> sums(parts * size);
  parallel_for(parts * s.groups, [&](int64_t job) {
    const int64_t part = job / s.groups, group = job % s.groups;
    const PatchPlan plan = output_patches(s, group);
    T* sum = sums + part * size + group * depth * filters;
    const int64_t last = std::min(tiles, (part + 1) * per_part);
    for (int64_t t = part * per_part; t < last; ++t) {
      breathe();
      weight_grad_tile(s, plan, group, x, dy, t * tile, std::min(pixels, (t + 1) * tile), t > part * per_part, sum);
    }
  });
  if (s.groups == 1) {
    add_parts<T>(parts, size, sums, dw);
    return;
  }
  const Scratch<T> total(size);
  add_parts<T>(parts, size, sums, total.get());
  // Groups stand one behind the other; dw has them side by side.
  for (int64_t group = 0; group < s.groups; ++group) {
    for (int64_t d = 0; d < depth; ++d) {
      std::copy_n(total + (group * depth + d) * filters, filters, dw + d * s.f + group * filters);
    }
  }
}

}  // namespace

template <class T>
Status conv2d_input_grad(const Conv2dShape& s, const T* dy, const T* w, T* dx) {
  if (s.n * s.h * s.w * s.c == 0) return kOk;
  if (is_depthwise(s) && s.stride_h == 1 && s.stride_w == 1) {
    depthwise_input_grad(s, dy, w, dx);
    return kOk;
  }
  if (!suits_winograd(s) || s.in_bfloat16) {
    input_grad_by_patches(s, dy, w, dx);
    return kOk;
  }
  const Correlation backward = {s.n, s.oh, s.ow, s.f, s.h, s.w, s.c, 2 - s.pad_top, 2 - s.pad_left};
  const int64_t tap = s.c * s.f;
  Conv2dShape one = s;
  one.n = 1;
  for (const int64_t n : winograd<T>(backward, dy, {w + 8 * tap, -tap, 1, s.f}, nullptr, {}, dx)) {
    input_grad_by_patches(one, dy + n * s.oh * s.ow * s.f, w, dx + n * s.h * s.w * s.c);
  }
  return kOk;
}

template <class T>
Status conv2d_weight_grad(const Conv2dShape& s, const T* x, const T* dy, T* dw) {
  const int64_t size = s.kh * s.kw * (s.c / s.groups) * s.f;
  if (size == 0) return kOk;
  if (s.n * s.oh * s.ow == 0) {
    std::fill_n(dw, size, T{});
    return kOk;
  }
  if (is_depthwise(s)) {
    depthwise_weight_grad(s, x, dy, dw);
    return kOk;
  }
  const Correlation forward = {s.n, s.h, s.w, s.c, s.oh, s.ow, s.f, s.pad_top, s.pad_left};
  const bool done = !s.in_bfloat16 && suits_winograd_weight_grad(s) && winograd_weight_grad(forward, x, dy, dw);
  if (!done) weight_grad_by_patches(s, x, dy, dw);
  return kOk;
}

template Status conv2d_input_grad<float>(const Conv2dShape&, const float*, const float*, float*);
template Status conv2d_input_grad<double>(const Conv2dShape&, const double*, const double*, double*);
template Status conv2d_weight_grad<float>(const Conv2dShape&, const float*, const float*, float*);
template Status conv2d_weight_grad<double>(const Conv2dShape&, const double*, const double*, double*);

}  // namespace hotloop::cpu
