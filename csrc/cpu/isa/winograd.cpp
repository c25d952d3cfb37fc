// Channels in lanes, both ways: a transform is sums of whole registers. See cpu/isa/winograd.h for the formulas.
#include "cpu/isa/winograd.h"

#include "cpu/isa/best.h"

namespace hotloop::isa::HL_TIER {
namespace {

template <class T>
HL_INLINE Mask<T> not_finite(Vec<T> sum) {
  return sum - sum != Vec<T>{};
}

// L X L': `line` turns R registers into O, down each of the R columns of X first, then along each row.
template <int R, int O, class T, class Line, class Load, class Store>
HL_INLINE void both_ways(const Line& line, const Load& load_at, const Store& store_at) {
  Vec<T> columns[O][R];
#pragma GCC unroll 4
  for (int j = 0; j < R; ++j) {
    Vec<T> in[R], out[O];
#pragma GCC unroll 4
    for (int i = 0; i < R; ++i) in[i] = load_at(i, j);
    line(in, out);
#pragma GCC unroll 4
    for (int i = 0; i < O; ++i) columns[i][j] = out[i];
  }
#pragma GCC unroll 4
  for (int i = 0; i < O; ++i) {
    Vec<T> out[O];
    line(columns[i], out);
#pragma GCC unroll 4
    for (int j = 0; j < O; ++j) store_at(i, j, out[j]);
  }
}

template <class T>
void transform_filters(const T* filters, int64_t tap_stride, T* to, int64_t position) {
  const auto line = [](const Vec<T>(&g)[3], Vec<T>(&out)[4]) __attribute__((always_inline)) {
    const Vec<T> outer = g[0] + g[2];
    out[0] = g[0];
    out[1] = (outer + g[1]) * T{0.5};
    out[2] = (outer - g[1]) * T{0.5};
    out[3] = g[2];
  };
  for (int v = 0; v < kVectors; ++v, filters += kLanes<T>, to += kLanes<T>) {
    both_ways<3, 4, T>(
        line, [&](int i, int j) __attribute__((always_inline)) { return load(filters + (3 * i + j) * tap_stride); },
        [&](int i, int j, Vec<T> x) __attribute__((always_inline)) { store<T>(to + (4 * i + j) * position, x); });
  }
}

template <class T>
void transform_inputs(int64_t channels, const T* const* pixels, T* to, int64_t position) {
  const auto line = [](const Vec<T>(&d)[4], Vec<T>(&out)[4]) __attribute__((always_inline)) {
    out[0] = d[0] - d[2];
    out[1] = d[1] + d[2];
    out[2] = d[2] - d[1];
    out[3] = d[1] - d[3];
  };
  for_vectors<T>(channels, [&](int64_t c, auto width) __attribute__((always_inline)) {
    both_ways<4, 4, T>(
        line, [&](int i, int j) __attribute__((always_inline)) { return load_width(pixels[4 * i + j] + c, width); },
        [&](int i, int j, Vec<T> x)
            __attribute__((always_inline)) { store_width(to + (4 * i + j) * position + c, x, width); });
  });
}

template <class T>
void transform_slopes(int64_t filters, const T* const* slopes, T* to, int64_t position) {
  const auto line = [](const Vec<T>(&g)[2], Vec<T>(&out)[4]) __attribute__((always_inline)) {
    out[0] = g[0];
    out[1] = (g[0] + g[1]) * T{0.5};
    out[2] = (g[0] - g[1]) * T{0.5};
    out[3] = g[1];
  };
  for_vectors<T>(filters, [&](int64_t f, auto width) __attribute__((always_inline)) {
    both_ways<2, 4, T>(
        line, [&](int i, int j) __attribute__((always_inline)) { return load_width(slopes[2 * i + j] + f, width); },
        [&](int i, int j, Vec<T> x)
            __attribute__((always_inline)) { store_width(to + (4 * i + j) * position + f, x, width); });
  });
}

template <class T>
bool store_filter_grad(int64_t n, const T* products, int64_t position, T* w, int64_t tap_stride) {
  const auto line = [](const Vec<T>(&m)[4], Vec<T>(&out)[3]) __attribute__((always_inline)) {
    const Vec<T> middle = m[1] + m[2];
    out[0] = m[0] + middle;
    out[1] = m[1] - m[2];
    out[2] = middle - m[3];
  };
  Mask<T> suspect{};
  for_vectors<T>(n, [&](int64_t f, auto width) __attribute__((always_inline)) {
    both_ways<4, 3, T>(
        line,
        [&](int i, int j)
            __attribute__((always_inline)) { return load_width(products + (4 * i + j) * position + f, width); },
        [&](int i, int j, Vec<T> x) __attribute__((always_inline)) {
          store_width(w + (3 * i + j) * tap_stride + f, x, width);
          suspect |= not_finite<T>(x);
        });
  });
  return !any(suspect);
}

// The four results of one register of columns, row by row.
template <class T>
HL_INLINE void sum_up(const T* products, int64_t position, Vec<T> (&result)[4]) {
  Vec<T> upper[4], lower[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const Vec<T> m1 = load(products + (4 + j) * position), m2 = load(products + (8 + j) * position);
    upper[j] = load(products + j * position) + (m1 + m2);
    lower[j] = (m1 - m2) - load(products + (12 + j) * position);
  }
  result[0] = upper[0] + (upper[1] + upper[2]);
  result[1] = (upper[1] - upper[2]) - upper[3];
  result[2] = lower[0] + (lower[1] + lower[2]);
  result[3] = (lower[1] - lower[2]) - lower[3];
}

template <class T>
bool store_results(const WinogradProducts<T>& products, const PanelEnd<T>& end, int rows, int cols, T* y, int64_t y_row,
                   int64_t y_col) {
  constexpr int lanes = kLanes<T>;
  T line[4][kColumns<T>];
  Mask<T> suspect{};
  const bool whole = rows == 2 && cols == 2 && end.n == kColumns<T>;
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    Vec<T> result[4];
    sum_up<T>(products.data + v * lanes, products.position, result);
    suspect |= not_finite<T>((result[0] + result[1]) + (result[2] + result[3]));
    const Vec<T> bias = load(end.bias + v * lanes);
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) {
      result[p] += bias;
      if (end.relu) result[p] = result[p] < Vec<T>{} ? Vec<T>{} : result[p];
      store<T>(whole ? y + p / 2 * y_row + p % 2 * y_col + v * lanes : line[p] + v * lanes, result[p]);
    }
  }
  for (int i = 0; i < rows && !whole; ++i) {
    for (int j = 0; j < cols; ++j) {
      __builtin_memcpy(y + i * y_row + j * y_col, line[2 * i + j], static_cast<unsigned>(end.n) * sizeof(T));
    }
  }
  return !any(suspect);
}

template <class T>
bool store_largest(const WinogradProducts<T>& products, const PanelEnd<T>& end, T* y, uint8_t* argmax) {
  Vec<T> result[4][kVectors];
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    Vec<T> four[4];
    sum_up<T>(products.data + v * kLanes<T>, products.position, four);
#pragma GCC unroll 4
    for (int p = 0; p < 4; ++p) result[p][v] = four[p];
  }
  Best<T> best;
#pragma GCC unroll 4
  for (int p = 0; p < 4; ++p) take_in<false>(result[p], p, best);
  store_best(best, end, y, argmax);
  Mask<T> suspect{};
  for (int v = 0; v < kVectors; ++v) suspect |= not_finite<T>(best.sum[v]);
  return !any(suspect);
}

}  // namespace

template <class T>
const WinogradMicro<T>& winograd_table() {
  static constexpr WinogradMicro<T> table = {transform_filters<T>, transform_inputs<T>, store_results<T>,
                                             store_largest<T>,     transform_slopes<T>, store_filter_grad<T>};
  return table;
}

template const WinogradMicro<float>& winograd_table<float>();
template const WinogradMicro<double>& winograd_table<double>();

}  // namespace hotloop::isa::HL_TIER
