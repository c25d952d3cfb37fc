// Rows of the result, cut into runs of pixels that see the same taps: one long run in the middle, short ones where the
// window hangs over an edge.
#include "cpu/conv_depthwise.h"

#include <algorithm>
#include <vector>

#include "cpu/gemm.h"
#include "cpu/isa/depthwise.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

#define HL_FORMULA inline

namespace hotloop::cpu {
namespace {

#include "formulas_window.h"

constexpr int64_t kGrain = 16 * 1024;  // products a job
constexpr int64_t kMaxParts = 16;

/// Calls f(run, first pixel) for the runs of row `oy`; with `flipped` weights are taken from the last to the first.
template <class F>
void for_runs(const Conv2dShape& s, int64_t oy, bool flipped, F&& f) {
  const int64_t top = oy * s.stride_h - s.pad_top;
  const Taps rows = taps_inside(top, s.dilation_h, s.kh, s.h);
  std::vector<int64_t> x_offset, w_offset, outside;
  const auto columns_of = [&](int64_t ox) {
    return taps_inside(ox * s.stride_w - s.pad_left, s.dilation_w, s.kw, s.w);
  };
  for (int64_t begin = 0, end; begin < s.ow; begin = end) {
    const Taps columns = columns_of(begin);
    for (end = begin + 1; end < s.ow; ++end) {
      const Taps next = columns_of(end);
      if (next.first != columns.first || next.last != columns.last) break;
    }
    x_offset.clear();
    w_offset.clear();
    outside.clear();
    for (int64_t r = 0; r < s.kh; ++r) {
      for (int64_t q = 0; q < s.kw; ++q) {
        const int64_t tap = r * s.kw + q, weight = (flipped ? s.kh * s.kw - 1 - tap : tap) * s.c;
        if (r < rows.first || r >= rows.last || q < columns.first || q >= columns.last) {
          outside.push_back(weight);
          continue;
        }
        const int64_t left = begin * s.stride_w - s.pad_left;
        x_offset.push_back(((top + r * s.dilation_h) * s.w + left + q * s.dilation_w) * s.c);
        w_offset.push_back(weight);
      }
    }
    w_offset.insert(w_offset.end(), outside.begin(), outside.end());
    f(isa::TapRun{end - begin, s.c, s.stride_w * s.c, static_cast<int64_t>(x_offset.size()), s.kh * s.kw,
                  x_offset.data(), w_offset.data()},
      begin);
  }
}

int64_t rows_per_job(const Conv2dShape& s) {
  return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, s.ow * s.c * s.kh * s.kw));
}

template <class T>
void forward(const Conv2dShape& s, bool flipped, const T* x, const T* w, const T* bias, T* y) {
  parallel_ranges(s.n * s.oh, rows_per_job(s), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* image = x + row / s.oh * s.h * s.w * s.c;
      T* out = y + row * s.ow * s.c;
      for_runs(s, row % s.oh, flipped, [&](const isa::TapRun& run, int64_t first) {
        isa::depthwise_micro<T>().forward(run, image, w, bias, out + first * s.c);
      });
      apply_activation(s.activation, s.ow, s.c, out, s.c);
    }
  });
}

}  // namespace

template <class T>
void depthwise_conv2d(const Conv2dShape& s, const T* x, const T* w, const T* bias, T* y) {
  forward(s, false, x, w, bias, y);
}

template <class T>
void depthwise_input_grad(const Conv2dShape& s, const T* dy, const T* w, T* dx) {
  // A pixel of x is to dy what a pixel of y is to x, with the taps in reverse.
  Conv2dShape back = s;
  back.h = s.oh, back.w = s.ow, back.oh = s.h, back.ow = s.w;
  back.pad_top = (s.kh - 1) * s.dilation_h - s.pad_top;
  back.pad_left = (s.kw - 1) * s.dilation_w - s.pad_left;
  back.activation = {};
  forward<T>(back, true, dy, w, nullptr, dx);
}

template <class T>
void depthwise_weight_grad(const Conv2dShape& s, const T* x, const T* dy, T* dw) {
  const int64_t rows = s.n * s.oh, size = s.kh * s.kw * s.c;
  const int64_t per_part = std::max((rows + kMaxParts - 1) / kMaxParts, rows_per_job(s));
  const int64_t parts = (rows + per_part - 1) / per_part;
  const Scratch<T> sums(parts * size);
  parallel_for(parts, [&](int64_t part) {
    T* sum = sums + part * size;
    std::fill_n(sum, size, T{});
    for (int64_t row = part * per_part; row < std::min(rows, (part + 1) * per_part); ++row) {
      breathe();
      const T* image = x + row / s.oh * s.h * s.w * s.c;
      for_runs(s, row % s.oh, false, [&](const isa::TapRun& run, int64_t first) {
        isa::depthwise_micro<T>().weight_grad(run, image, dy + (row * s.ow + first) * s.c, sum);
      });
    }
  });
  add_parts<T>(parts, size, sums, dw);
}

#define HL_INSTANTIATE(T)                                                                  \
  template void depthwise_conv2d<T>(const Conv2dShape&, const T*, const T*, const T*, T*); \
  template void depthwise_input_grad<T>(const Conv2dShape&, const T*, const T*, T*);       \
  template void depthwise_weight_grad<T>(const Conv2dShape&, const T*, const T*, T*);
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)
#undef HL_INSTANTIATE

}  // namespace hotloop::cpu
