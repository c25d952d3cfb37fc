// Gradients through conv2d + activation + max_pool2d, from the pooled gradient and the places of the maxima.
//
// The gradient of the unpooled map has at most one non-zero per window and channel, so it is never made: each non-zero
// adds one scaled row of patches to the weight gradient, and one scaled row of weights to the input gradient. Both are
// runs of channels that lie side by side in memory. With few channels the runs are too short to be worth it, and one
// image's dense gradient at a time goes through the plain kernels.
#include <algorithm>
#include <vector>

#include "backend.h"
#include "cpu/gemm.h"
#include "cpu/isa/sparse.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kMaxParts = 16;
constexpr int64_t kShortestRun = 16;

// Where things are in one image, padded by zeros where the convolution pads.
struct Frame {
  int64_t h, w, top, left;
  bool padded;
  int64_t run, runs_per_row, runs;     // a patch is `runs` runs of `run` elements
  std::vector<int64_t> run_offset;     // of each run, from the patch's first element in the frame
  std::vector<int64_t> window_offset;  // of each position of the window, from the window's first patch
  int64_t window_step, window_row;     // between patches of neighbouring windows

  explicit Frame(const ConvPoolShape& s) {
    const Conv2dShape& conv = s.conv;
    top = conv.pad_top;
    left = conv.pad_left;
    h = std::max(conv.h + top, (s.oh * s.pool_h - 1) * conv.stride_h + (conv.kh - 1) * conv.dilation_h + 1);
    w = std::max(conv.w + left, (s.ow * s.pool_w - 1) * conv.stride_w + (conv.kw - 1) * conv.dilation_w + 1);
    padded = h != conv.h || w != conv.w;
    runs_per_row = conv.dilation_w == 1 ? 1 : conv.kw;
    run = (conv.dilation_w == 1 ? conv.kw : 1) * conv.c;
    runs = conv.kh * runs_per_row;
    for (int64_t r = 0; r < conv.kh; ++r) {
      for (int64_t q = 0; q < runs_per_row; ++q) {
        run_offset.push_back((r * conv.dilation_h * w + q * conv.dilation_w) * conv.c);
      }
    }
    for (int64_t i = 0; i < s.pool_h; ++i) {
      for (int64_t j = 0; j < s.pool_w; ++j) {
        window_offset.push_back((i * conv.stride_h * w + j * conv.stride_w) * conv.c);
      }
    }
    window_step = s.pool_w * conv.stride_w * conv.c;
    window_row = s.pool_h * conv.stride_h * w * conv.c;
  }
};

bool runs_are_long(const ConvPoolShape& s) {
  const Conv2dShape& conv = s.conv;
  return conv.groups == 1 && (conv.dilation_w == 1 ? conv.kw : 1) * conv.c >= kShortestRun;
}

template <class T>
void copy_into_frame(const Conv2dShape& conv, const Frame& frame, const T* image, T* out) {
  std::fill_n(out, frame.h * frame.w * conv.c, T{});
  for (int64_t i = 0; i < conv.h; ++i) {
    std::copy_n(image + i * conv.w * conv.c, conv.w * conv.c, out + ((i + frame.top) * frame.w + frame.left) * conv.c);
  }
}

template <class T>
void copy_from_frame(const Conv2dShape& conv, const Frame& frame, const T* out, T* image) {
  for (int64_t i = 0; i < conv.h; ++i) {
    std::copy_n(out + ((i + frame.top) * frame.w + frame.left) * conv.c, conv.w * conv.c, image + i * conv.w * conv.c);
  }
}

// One image's non-zeros, a list per filter: lists[f] holds (patch offset, dy) of every window where dy is not zero.
template <class T>
void list_by_filter(const ConvPoolShape& s, const Frame& frame, const T* dy, const uint8_t* argmax,
                    isa::ScaledRow<T>* lists, int64_t* counts) {
  const int64_t filters = s.conv.f, windows = s.oh * s.ow;
  std::fill_n(counts, filters, 0);
  for (int64_t i = 0; i < s.oh; ++i) {
    for (int64_t j = 0; j < s.ow; ++j, dy += filters, argmax += filters) {
      const int64_t patch = i * frame.window_row + j * frame.window_step;
      for (int64_t f = 0; f < filters; ++f) {
        lists[f * windows + counts[f]] = {patch + frame.window_offset[argmax[f]], dy[f]};
        counts[f] += dy[f] != T{};
      }
    }
  }
}

// One window's non-zeros, a list per position of the maximum: (offset of the filter's weights, dy).
template <class T>
void list_by_position(int64_t filters, int64_t positions, int64_t depth, const T* dy, const uint8_t* argmax,
                      isa::ScaledRow<T>* lists, int64_t* counts) {
  std::fill_n(counts, positions, 0);
  for (int64_t f = 0; f < filters; ++f) {
    const int64_t position = argmax[f];
    lists[position * filters + counts[position]] = {f * depth, dy[f]};
    counts[position] += dy[f] != T{};
  }
}

template <class T>
void transpose(int64_t rows, int64_t cols, const T* from, T* to) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) to[j * rows + i] = from[i * cols + j];
  }
}

template <class T>
void sparse_weight_grad(const ConvPoolShape& s, const T* x, const T* dy, const uint8_t* argmax, T* dw) {
  const Conv2dShape& conv = s.conv;
  const Frame frame(s);
  const int64_t depth = conv.kh * conv.kw * conv.c, windows = s.oh * s.ow, size = depth * conv.f;
  const int64_t per_part = (conv.n + kMaxParts - 1) / kMaxParts, parts = (conv.n + per_part - 1) / per_part;
  const Scratch<T> sums(parts * size);
  parallel_for(parts, [&](int64_t part) {
    T* sum = sums + part * size;  // (f, depth)
    std::fill_n(sum, size, T{});
    const Scratch<isa::ScaledRow<T>> lists(conv.f * windows);
    const Scratch<int64_t> counts(conv.f);
    const Scratch<T> padded(frame.padded ? frame.h * frame.w * conv.c : 0);
    const int64_t last = std::min(conv.n, (part + 1) * per_part);
    for (int64_t n = part * per_part; n < last; ++n) {
      const T* image = x + n * conv.h * conv.w * conv.c;
      if (frame.padded) {
        copy_into_frame(conv, frame, image, padded.get());
        image = padded;
      }
      list_by_filter(s, frame, dy + n * windows * conv.f, argmax + n * windows * conv.f, lists.get(), counts.get());
      for (int64_t f = 0; f < conv.f; ++f) {
        breathe();
        for (int64_t r = 0; r < frame.runs; ++r) {
          isa::sparse_micro<T>().add_scaled_rows(counts[f], lists + f * windows, image + frame.run_offset[r], frame.run,
                                                 sum + f * depth + r * frame.run);
        }
      }
    }
  });
  const Scratch<T> total(size);
  add_parts<T>(parts, size, sums, total.get());
  transpose(conv.f, depth, total.get(), dw);
}

template <class T>
void sparse_input_grad(const ConvPoolShape& s, const T* dy, const uint8_t* argmax, const T* w, T* dx) {
  const Conv2dShape& conv = s.conv;
  const Frame frame(s);
  const int64_t depth = conv.kh * conv.kw * conv.c, windows = s.oh * s.ow, positions = s.pool_h * s.pool_w;
  const int64_t frame_size = frame.h * frame.w * conv.c;
  const Scratch<T> by_filter(depth * conv.f);  // w as (f, depth)
  transpose(depth, conv.f, w, by_filter.get());
  parallel_for(conv.n, [&](int64_t n) {
    const Scratch<isa::ScaledRow<T>> lists(windows * positions * conv.f);
    const Scratch<int64_t> counts(windows * positions);
    for (int64_t k = 0; k < windows; ++k) {
      const int64_t at = (n * windows + k) * conv.f;
      list_by_position(conv.f, positions, depth, dy + at, argmax + at, lists + k * positions * conv.f,
                       counts + k * positions);
    }
    const Scratch<T> padded(frame.padded ? frame_size : 0);
    T* image = frame.padded ? padded.get() : dx + n * frame_size;
    std::fill_n(image, frame_size, T{});
    // Runs outside: one run of all filters' weights is small enough for L1.
    for (int64_t r = 0; r < frame.runs; ++r) {
      for (int64_t k = 0; k < windows; ++k) {
        if (k % s.ow == 0) breathe();
        T* patch = image + k / s.ow * frame.window_row + k % s.ow * frame.window_step + frame.run_offset[r];
        for (int64_t position = 0; position < positions; ++position) {
          const int64_t list = k * positions + position;
          isa::sparse_micro<T>().add_scaled_rows(counts[list], lists + list * conv.f, by_filter + r * frame.run,
                                                 frame.run, patch + frame.window_offset[position]);
        }
      }
    }
    if (frame.padded) copy_from_frame(conv, frame, image, dx + n * conv.h * conv.w * conv.c);
  });
}

// One image's gradient of the unpooled map (conv.oh, conv.ow, f).
template <class T>
void expand(const ConvPoolShape& s, const T* dy, const uint8_t* argmax, T* dense) {
  const int64_t filters = s.conv.f;
  std::fill_n(dense, s.conv.oh * s.conv.ow * filters, T{});
  std::vector<int64_t> window_offset;
  for (int64_t i = 0; i < s.pool_h; ++i) {
    for (int64_t j = 0; j < s.pool_w; ++j) window_offset.push_back((i * s.conv.ow + j) * filters);
  }
  for (int64_t i = 0; i < s.oh; ++i) {
    for (int64_t j = 0; j < s.ow; ++j, dy += filters, argmax += filters) {
      T* window = dense + (i * s.pool_h * s.conv.ow + j * s.pool_w) * filters;
      for (int64_t f = 0; f < filters; ++f) window[window_offset[argmax[f]] + f] = dy[f];
    }
  }
}

template <class T>
void dense_weight_grad(const ConvPoolShape& s, const T* x, const T* dy, const uint8_t* argmax, T* dw) {
  const Conv2dShape& conv = s.conv;
  const int64_t size = conv.kh * conv.kw * (conv.c / conv.groups) * conv.f, pooled = s.oh * s.ow * conv.f;
  const int64_t per_part = (conv.n + kMaxParts - 1) / kMaxParts, parts = (conv.n + per_part - 1) / per_part;
  const Scratch<T> sums(parts * size);
  Conv2dShape one = conv;
  one.n = 1;
  parallel_for(parts, [&](int64_t part) {
    T* sum = sums + part * size;
    const Scratch<T> dense(conv.oh * conv.ow * conv.f), image_sum(size);
    const int64_t first = part * per_part, last = std::min(conv.n, first + per_part);
    for (int64_t n = first; n < last; ++n) {
      breathe();
      expand(s, dy + n * pooled, argmax + n * pooled, dense.get());
      conv2d_weight_grad<T>(one, x + n * conv.h * conv.w * conv.c, dense, n == first ? sum : image_sum.get());
      for (int64_t i = 0; n > first && i < size; ++i) sum[i] += image_sum[i];
    }
  });
  add_parts<T>(parts, size, sums, dw);
}

template <class T>
void dense_input_grad(const ConvPoolShape& s, const T* dy, const uint8_t* argmax, const T* w, T* dx) {
  const Conv2dShape& conv = s.conv;
  const int64_t pooled = s.oh * s.ow * conv.f;
  Conv2dShape one = conv;
  one.n = 1;
  parallel_for(conv.n, [&](int64_t n) {
    const Scratch<T> dense(conv.oh * conv.ow * conv.f);
    expand(s, dy + n * pooled, argmax + n * pooled, dense.get());
    conv2d_input_grad<T>(one, dense, w, dx + n * conv.h * conv.w * conv.c);
  });
}

}  // namespace

template <class T>
Status conv2d_max_pool2d_weight_grad(const ConvPoolShape& s, const T* x, const T* dy, const uint8_t* argmax, T* dw) {
  const Conv2dShape& conv = s.conv;
  const int64_t size = conv.kh * conv.kw * (conv.c / conv.groups) * conv.f;
  if (size == 0 || conv.n * s.oh * s.ow == 0) {
    std::fill_n(dw, size, T{});
  } else if (runs_are_long(s)) {
    sparse_weight_grad(s, x, dy, argmax, dw);
  } else {
    dense_weight_grad(s, x, dy, argmax, dw);
  }
  return kOk;
}

template <class T>
Status conv2d_max_pool2d_input_grad(const ConvPoolShape& s, const T* dy, const uint8_t* argmax, const T* w, T* dx) {
  const Conv2dShape& conv = s.conv;
  const int64_t size = conv.n * conv.h * conv.w * conv.c;
  if (size == 0 || s.oh * s.ow * conv.f == 0) {
    std::fill_n(dx, size, T{});
  } else if (runs_are_long(s)) {
    sparse_input_grad(s, dy, argmax, w, dx);
  } else {
    dense_input_grad(s, dy, argmax, w, dx);
  }
  return kOk;
}

#define HL_INSTANTIATE(T)                                                                                         \
  template Status conv2d_max_pool2d_weight_grad<T>(const ConvPoolShape&, const T*, const T*, const uint8_t*, T*); \
  template Status conv2d_max_pool2d_input_grad<T>(const ConvPoolShape&, const T*, const uint8_t*, const T*, T*);
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)

}  // namespace hotloop::cpu
