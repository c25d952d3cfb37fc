// Gradients through conv2d + activation + max_pool2d, from the pooled gradient and the places of the maxima.
//
// The gradient of the unpooled map has at most one non-zero per window and channel, so it is never made: each non-zero
// adds one scaled row of patches to the weight gradient, and one scaled row of weights to the input gradient. Both are
// runs of channels that lie side by side in memory. With few channels the runs are too short to be worth it: the weight
// gradient then takes all products, and the input gradient goes through the plain kernels, an image at a time.
#include <algorithm>
#include <bit>
#include <vector>

#include "backend.h"
#include "cpu/filter_panels.h"
#include "cpu/gemm.h"
#include "cpu/isa/conv_pool.h"
#include "cpu/isa/sparse.h"
#include "cpu/window_frame.h"
#include "runtime/memory.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kShortestRun = 16;

// Images that share one sum; the parts' sums are added up in order.
struct Parts {
  explicit Parts(int64_t images) : images(images), size((images + 15) / 16), count((images + size - 1) / size) {}
  int64_t begin(int64_t part) const { return std::min(images, part * size); }
  int64_t images, size, count;
};

// A patch is `count` runs of `length` elements that lie side by side in the frame.
struct Runs {
  int64_t length, count;

  explicit Runs(const Conv2dShape& conv)
      : length((conv.dilation_w == 1 ? conv.kw : 1) * conv.c), count(conv.kh * conv.kw * conv.c / length) {}
};

// Whether it pays to add up runs one by one: offsets have 32 bits, counts of filters 16.
bool is_sparse(const ConvPoolShape& s, const WindowFrame& frame) {
  const Conv2dShape& conv = s.conv;
  return conv.groups == 1 && (conv.dilation_w == 1 ? conv.kw : 1) * conv.c >= kShortestRun &&
         std::max(frame.size(), conv.kh * conv.kw * conv.c * conv.f) < INT32_MAX && conv.f < 1 << 16;
}

template <class T>
isa::ScaledRow<T> row_at(int64_t offset, T value) {
  return {static_cast<typename isa::ScaledRow<T>::Offset>(offset), value};
}

// 0 for a zero of either sign, else 1. Floats are compared by a branch, and this one could not be foreseen.
template <class T>
uint64_t is_nonzero(T value) {
  return (std::bit_cast<std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>>(value) << 1) != 0;
}

// One filter's non-zeros in one image: where the patches begin that its maxima came from. Every entry is written, and
// the next one overwrites what was zero.
template <class T>
int64_t list_of_filter(const WindowFrame& frame, const int64_t* patches, int64_t windows, int64_t filters, const T* dy,
                       const uint8_t* argmax, isa::ScaledRow<T>* list) {
  const int64_t* pixel = frame.pixel.data();
  int64_t count = 0;
  for (int64_t k = 0; k < windows; ++k) {
    const T value = dy[k * filters];
    list[count] = row_at<T>(patches[k] + pixel[argmax[k * filters]], value);
    count += static_cast<int64_t>(is_nonzero(value));
  }
  return count;
}

// One window's non-zeros, pixel by pixel: where the filters' weights begin. Four pixels are told apart at a time, their
// four counts being one number: a count in memory would have to be written before the next filter could read it.
template <class T>
isa::ScaledRow<T>* list_by_pixel(int64_t pixels, int64_t filters, int64_t length, const T* dy, const uint8_t* argmax,
                                 isa::ScaledRow<T>* buckets, isa::ScaledRow<T>* end, isa::ScaledRow<T>** ends) {
  for (int64_t pixel = 0; pixel < pixels; pixel += 4) {
    uint64_t counts = 0;
    for (int64_t f = 0; f < filters; ++f) {
      const uint64_t which = argmax[f] - static_cast<uint64_t>(pixel), shift = which % 4 * 16;
      buckets[static_cast<int64_t>(which % 4) * filters + static_cast<int64_t>(counts >> shift & 0xffff)] =
          row_at<T>(f * length, dy[f]);
      counts += (is_nonzero(dy[f]) & static_cast<uint64_t>(which < 4)) << shift;
    }
    for (int64_t p = pixel; p < std::min(pixels, pixel + 4); ++p, counts >>= 16) {
      end = std::copy_n(buckets + (p - pixel) * filters, static_cast<int64_t>(counts & 0xffff), end);
      *ends++ = end;
    }
  }
  return end;
}

template <class T>
void transpose(int64_t rows, int64_t cols, const T* from, T* to) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) to[j * rows + i] = from[i * cols + j];
  }
}

template <class T>
void sparse_weight_grad(const ConvPoolShape& s, const WindowFrame& frame, const T* x, const T* dy,
                        const uint8_t* argmax, T* dw) {
  const Conv2dShape& conv = s.conv;
  const Runs runs(conv);
  const int64_t depth = conv.kh * conv.kw * conv.c, windows = s.oh * s.ow, size = depth * conv.f;
  const auto& micro = isa::sparse_micro<T>();
  const Scratch<int64_t> patches(windows);  // where each window's first begins
  for (int64_t k = 0; k < windows; ++k) patches[k] = k / s.ow * frame.window_row + k % s.ow * frame.window_step;
  const Parts parts(conv.n);
  const Scratch<T> sums(parts.count * size);
  parallel_for(parts.count, [&](int64_t part) {
    T* sum = sums + part * size;  // (f, depth)
    std::fill_n(sum, size, T{});
    const Scratch<isa::ScaledRow<T>> list(windows + 1);
    const Scratch<T> padded(frame.padded ? frame.size() : 0);
    for (int64_t n = parts.begin(part); n < parts.begin(part + 1); ++n) {
      const T* image = frame.around(conv, x + n * conv.h * conv.w * conv.c, 0, frame.h, padded.get());
      for (int64_t f = 0; f < conv.f; ++f) {
        breathe();
        const int64_t at = n * windows * conv.f + f;
        const int64_t count = list_of_filter(frame, patches, windows, conv.f, dy + at, argmax + at, list.get());
        for (int64_t r = 0; r < runs.count; ++r) {
          micro.add_scaled_rows(count, list, image + frame.tap[static_cast<std::size_t>(r * runs.length)], runs.length,
                                sum + f * depth + r * runs.length);
        }
      }
    }
  });
  const Scratch<T> total(size);
  add_parts<T>(parts.count, size, sums, total.get());
  transpose(conv.f, depth, total.get(), dw);
}

// With few channels every product of the dense gradient is made, but the gradient itself only in registers.
template <class T>
void windowed_weight_grad(const ConvPoolShape& s, const WindowFrame& frame, const T* x, const T* dy,
                          const uint8_t* argmax, T* dw) {
  const Conv2dShape& conv = s.conv;
  const FilterPanels panels(conv, isa::gemm_micro<T>().columns);
  const int64_t size = panels.count * panels.size;
  const Parts parts(conv.n);
  const Scratch<T> sums(parts.count * size);
  parallel_for(parts.count, [&](int64_t part) {
    T* sum = sums + part * size;  // a (depth, columns) panel for so many filters
    std::fill_n(sum, size, T{});
    const Scratch<T> padded(frame.padded ? frame.size() : 0);
    for (int64_t n = parts.begin(part); n < parts.begin(part + 1); ++n) {
      const T* image = frame.around(conv, x + n * conv.h * conv.w * conv.c, 0, frame.h, padded.get());
      for (int64_t index = 0; index < panels.count; ++index) {
        for (int64_t i = 0; i < s.oh; ++i) {
          breathe();
          const int64_t at = (n * s.oh + i) * s.ow * conv.f + panels.filter(index);
          isa::conv_pool_micro<T>().add_weight_grad(frame.row(image, i, s.ow, panels.group(index)), dy + at,
                                                    argmax + at, conv.f, panels.width(index),
                                                    sum + index * panels.size);
        }
      }
    }
  });
  const Scratch<T> total(size);
  add_parts<T>(parts.count, size, sums, total.get());
  for (int64_t index = 0; index < panels.count; ++index) {
    const T* from = total + index * panels.size;
    for (int64_t d = 0; d < panels.size / panels.columns; ++d, from += panels.columns) {
      std::copy_n(from, panels.width(index), dw + d * conv.f + panels.filter(index));
    }
  }
}

template <class T>
void sparse_input_grad(const ConvPoolShape& s, const WindowFrame& frame, const T* dy, const uint8_t* argmax, const T* w,
                       T* dx) {
  using Row = isa::ScaledRow<T>;
  const Conv2dShape& conv = s.conv;
  const Runs runs(conv);
  const int64_t windows = s.oh * s.ow, pixels = s.pool_h * s.pool_w, run = runs.length * conv.f;
  const auto& micro = isa::sparse_micro<T>();
  const Scratch<T> weights(runs.count * run);  // w as (runs, f, length)
  for (int64_t r = 0; r < runs.count; ++r) transpose(runs.length, conv.f, w + r * run, weights + r * run);
  parallel_for(conv.n, [&](int64_t n) {
    // The list of pixel p of window k ends at ends[k * pixels + p].
    const Scratch<Row> lists(windows * conv.f), buckets(4 * conv.f + 1);
    const Scratch<Row*> ends(windows * pixels);
    Row* end = lists;
    for (int64_t k = 0; k < windows; ++k) {
      const int64_t at = (n * windows + k) * conv.f;
      end = list_by_pixel(pixels, conv.f, runs.length, dy + at, argmax + at, buckets.get(), end, ends + k * pixels);
    }
    const Scratch<T> padded(frame.padded ? frame.size() : 0);
    T* image = frame.padded ? padded.get() : dx + n * frame.size();
    std::fill_n(image, frame.size(), T{});
    // Runs outside: one run of all filters' weights is small enough for L1.
    for (int64_t r = 0; r < runs.count; ++r) {
      T* first = image + frame.tap[static_cast<std::size_t>(r * runs.length)];
      const Row* begin = lists;
      Row* const* list_end = ends;
      for (int64_t i = 0; i < s.oh; ++i) {
        breathe();
        for (int64_t j = 0; j < s.ow; ++j) {
          T* patch = first + i * frame.window_row + j * frame.window_step;
          for (const int64_t pixel : frame.pixel) {
            micro.add_scaled_rows(*list_end - begin, begin, weights + r * run, runs.length, patch + pixel);
            begin = *list_end++;
          }
        }
      }
    }
    if (frame.padded) frame.take_out(conv, image, dx + n * conv.h * conv.w * conv.c);
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
    return kOk;
  }
  const WindowFrame frame(s);
  is_sparse(s, frame) ? sparse_weight_grad(s, frame, x, dy, argmax, dw)
                      : windowed_weight_grad(s, frame, x, dy, argmax, dw);
  return kOk;
}

template <class T>
Status conv2d_max_pool2d_input_grad(const ConvPoolShape& s, const T* dy, const uint8_t* argmax, const T* w, T* dx) {
  const Conv2dShape& conv = s.conv;
  const int64_t size = conv.n * conv.h * conv.w * conv.c;
  if (size == 0 || s.oh * s.ow * conv.f == 0) {
    std::fill_n(dx, size, T{});
    return kOk;
  }
  const WindowFrame frame(s);
  is_sparse(s, frame) ? sparse_input_grad(s, frame, dy, argmax, w, dx) : dense_input_grad(s, dy, argmax, w, dx);
  return kOk;
}

#define HL_INSTANTIATE(T)                                                                                         \
  template Status conv2d_max_pool2d_weight_grad<T>(const ConvPoolShape&, const T*, const T*, const uint8_t*, T*); \
  template Status conv2d_max_pool2d_input_grad<T>(const ConvPoolShape&, const T*, const uint8_t*, const T*, T*);
HL_INSTANTIATE(float)
HL_INSTANTIATE(double)

}  // namespace hotloop::cpu
