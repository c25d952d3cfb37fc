// Gradients of pooling: every row of dx is gathered from the windows that reach over it and written once, so that rows
// are independent of one another.
#include "cpu/isa/pool.h"
#include "cpu/isa/pool_index.h"
#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

#include "formulas.h"

// The windows of one axis that reach over an element, followed from element to element.
class Covering {
 public:
  HL_INLINE Covering(int64_t count, int64_t stride, int64_t pad, int64_t span)
      : count_(count), stride_(stride), pad_(pad), span_(span) {}
  /// Elements may only grow from call to call.
  HL_INLINE Taps at(int64_t element) {
    while (first_ < count_ && first_ * stride_ - pad_ + span_ <= element) ++first_;
    while (last_ < count_ && last_ * stride_ - pad_ <= element) ++last_;
    return {first_, last_};
  }

 private:
  int64_t count_, stride_, pad_, span_;
  int64_t first_ = 0, last_ = 0;
};

// f(channel, vectors) over c >= lanes channels; the last one moves back where it would not be full.
template <class T, class F>
HL_INLINE void for_channels(int64_t c, F&& f) {
  constexpr int64_t lanes = kLanes<T>, block = 4 * lanes;
  int64_t channel = 0;
  for (; channel + block <= c; channel += block) f(channel, std::integral_constant<int, 4>{});
  for (; channel < c; channel += lanes) {
    f(channel + lanes > c ? c - lanes : channel, std::integral_constant<int, 1>{});
  }
}

// dx is read off the windows: each one over a pixel gives its dy where its index names the pixel. Nothing is
// scattered, so that rows are independent and dx is written once.
template <class T>
void max_grad_row(const Pool2dShape& s, int64_t iy, const T* dy, const int32_t* indices, T* dx) {
  const int64_t c = s.c;
  const Taps rows = covering(iy, s.oh, s.stride_h, s.pad_top, s.dilation_h * (s.kh - 1) + 1);
  Covering over(s.ow, s.stride_w, s.pad_left, s.dilation_w * (s.kw - 1) + 1);
  for (int64_t ix = 0; ix < s.w; ++ix) {
    const Taps columns = over.at(ix);
    const Int<T> here = static_cast<Int<T>>(iy * s.w + ix);
    T* to = dx + (iy * s.w + ix) * c;
    for_channels<T>(c, [&](int64_t channel, auto vectors) {
      constexpr int count = decltype(vectors)::value;
      Vec<T> sum[count] = {};
      for (int64_t oy = rows.first; oy < rows.last; ++oy) {
        for (int64_t ox = columns.first; ox < columns.last; ++ox) {
          const int64_t at = (oy * s.ow + ox) * c + channel;
#pragma GCC unroll 4
          for (int v = 0; v < count; ++v) {
            const Mask<T> named = load_indices<T>(indices + at + v * kLanes<T>) == here;
            sum[v] += named ? load(dy + at + v * kLanes<T>) : Vec<T>{};
          }
        }
      }
#pragma GCC unroll 4
      for (int v = 0; v < count; ++v) store<T>(to + channel + v * kLanes<T>, sum[v]);
    });
  }
}

template <class T>
void max_grad_image(const Pool2dShape& s, const T* dy, const int32_t* indices, T* dx) {
  const int64_t c = s.c, pixels = s.oh * s.ow;
  __builtin_memset(dx, 0, static_cast<std::size_t>(s.h * s.w * c) * sizeof(T));
  for (int64_t o = 0; o < pixels; ++o) {
    for (int64_t channel = 0; channel < c; ++channel) {
      const int64_t at = indices[o * c + channel];
      if (at >= 0) dx[at * c + channel] += dy[o * c + channel];
    }
  }
}

template <class T>
void avg_scales(const Pool2dShape& s, T* scales) {
  for (int64_t ox = 0; ox < s.ow; ++ox) {
    const int64_t count = averaged(ox * s.stride_w - s.pad_left, s.kw, s.w, s.pad_right, s.count_include_pad);
    for (int64_t channel = 0; channel < s.c; ++channel) scales[ox * s.c + channel] = one_over<T>(count);
  }
}

// The share of dy that each window sends into row iy, all windows above one another added up.
template <class T>
HL_INLINE void avg_line(const Pool2dShape& s, Taps rows, const T* dy, const T* scales, T* line) {
  const int64_t n = s.ow * s.c;
  for (int64_t oy = rows.first; oy < rows.last; ++oy) {
    const int64_t count = averaged(oy * s.stride_h - s.pad_top, s.kh, s.h, s.pad_bottom, s.count_include_pad);
    const Vec<T> share = splat(one_over<T>(count));
    const bool first = oy == rows.first;
    for_vectors<T>(n, [&](int64_t i, auto width) {
      Vec<T> sum = share * load_width(scales + i, width) * load_width(dy + oy * n + i, width);
      if (!first) sum += load_width(line + i, width);
      store_width(line + i, sum, width);
    });
  }
}

template <class T>
void avg_grad_row(const Pool2dShape& s, int64_t iy, const T* dy, const T* scales, T* line, T* dx) {
  const int64_t c = s.c;
  T* to = dx + iy * s.w * c;
  const Taps rows = covering(iy, s.oh, s.stride_h, s.pad_top, s.kh);
  if (rows.first >= rows.last || c < kLanes<T>) {
    __builtin_memset(to, 0, static_cast<std::size_t>(s.w * c) * sizeof(T));
  }
  if (rows.first >= rows.last) return;
  avg_line(s, rows, dy, scales, line);
  if (c < kLanes<T>) {
    for (int64_t ox = 0; ox < s.ow; ++ox) {
      const int64_t begin = ox * s.stride_w - s.pad_left;
      const Taps columns = taps_inside(begin, 1, s.kw, s.w);
      const T* from = line + ox * c;
      T* at = to + begin * c;
      if (c == 1) {
        const T share = *from;
        for (int64_t j = columns.first; j < columns.last; ++j) at[j] += share;
      } else {
        for (int64_t j = columns.first; j < columns.last; ++j) {
          for (int64_t channel = 0; channel < c; ++channel) at[j * c + channel] += from[channel];
        }
      }
    }
    return;
  }
  Covering over(s.ow, s.stride_w, s.pad_left, s.kw);
  for (int64_t ix = 0; ix < s.w; ++ix) {
    const Taps columns = over.at(ix);
    for_channels<T>(c, [&](int64_t channel, auto vectors) {
      constexpr int count = decltype(vectors)::value;
      Vec<T> sum[count] = {};
      for (int64_t ox = columns.first; ox < columns.last; ++ox) {
#pragma GCC unroll 4
        for (int v = 0; v < count; ++v) sum[v] += load(line + ox * c + channel + v * kLanes<T>);
      }
#pragma GCC unroll 4
      for (int v = 0; v < count; ++v) store<T>(to + ix * c + channel + v * kLanes<T>, sum[v]);
    });
  }
}

}  // namespace

template <class T>
const PoolGradMicro<T>& pool_grad_table() {
  static constexpr PoolGradMicro<T> table = {kLanes<T>, max_grad_row<T>, max_grad_image<T>, avg_scales<T>,
                                             avg_grad_row<T>};
  return table;
}

template const PoolGradMicro<float>& pool_grad_table<float>();
template const PoolGradMicro<double>& pool_grad_table<double>();

}  // namespace hotloop::isa::HL_TIER
