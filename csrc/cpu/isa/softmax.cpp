#include "cpu/isa/softmax.h"

#include "cpu/isa/vecmath.h"

// The maximum passes over NaN; a NaN then reaches every element by way of its own exp and the sum.

namespace hotloop::isa::HL_TIER {
namespace {

inline constexpr int kShortAxis = 64;

// ---- columns: a lane is a column ------------------------------------------------------------------------------------

/// Columns of one vector; `width` is how many of its lanes exist.
template <class T, class Width>
HL_INLINE void column(int64_t length, int64_t stride, bool logarithm, const T* x, T* y, Width width) {
  Vec<T> most = splat(static_cast<T>(-__builtin_inf()));
  for (int64_t k = 0; k < length; ++k) {
    const Vec<T> v = load_width(x + k * stride, width);
    most = most < v ? v : most;
  }
  Vec<T> sum{};
  if (logarithm) {
    for (int64_t k = 0; k < length; ++k) sum += exp_(load_width(x + k * stride, width) - most);
    const Vec<T> log_sum = log_(sum);
    for (int64_t k = 0; k < length; ++k) {
      store_width(y + k * stride, (load_width(x + k * stride, width) - most) - log_sum, width);
    }
    return;
  }
  for (int64_t k = 0; k < length; ++k) {
    const Vec<T> e = exp_(load_width(x + k * stride, width) - most);
    store_width(y + k * stride, e, width);
    sum += e;
  }
  const Vec<T> factor = constant<Vec<T>>(1) / sum;
  for (int64_t k = 0; k < length; ++k) {
    store_width(y + k * stride, load_width(y + k * stride, width) * factor, width);
  }
}

template <class T, class Width>
HL_INLINE void column_grad(int64_t length, int64_t stride, bool logarithm, const T* y, const T* dy, T* dx,
                           Width width) {
  Vec<T> sum{};
  if (logarithm) {
    for (int64_t k = 0; k < length; ++k) sum += load_width(dy + k * stride, width);
    for (int64_t k = 0; k < length; ++k) {
      const Vec<T> p = exp_(load_width(y + k * stride, width));
      store_width(dx + k * stride, load_width(dy + k * stride, width) - p * sum, width);
    }
    return;
  }
  for (int64_t k = 0; k < length; ++k) sum += load_width(y + k * stride, width) * load_width(dy + k * stride, width);
  for (int64_t k = 0; k < length; ++k) {
    const Vec<T> difference = load_width(dy + k * stride, width) - sum;
    store_width(dx + k * stride, load_width(y + k * stride, width) * difference, width);
  }
}

template <class T>
void columns(int64_t length, int64_t count, int64_t stride, bool logarithm, const T* x, T* y) {
  for_vectors<T>(count, [&](int64_t i, auto width) { column(length, stride, logarithm, x + i, y + i, width); });
}

template <class T>
void columns_grad(int64_t length, int64_t count, int64_t stride, bool logarithm, const T* y, const T* dy, T* dx) {
  for_vectors<T>(count,
                 [&](int64_t i, auto width) { column_grad(length, stride, logarithm, y + i, dy + i, dx + i, width); });
}

// ---- lines: short columns, gathered into lanes
// ------------------------------------------------------------------------

template <class T>
using Line = T[kShortAxis * kLanes<T>];

/// Where in the array each of `count` columns from `first` on begins.
template <class T>
HL_INLINE void find_columns(const AxisShape& s, int64_t first, int64_t count, int64_t (&begin)[kLanes<T>]) {
  int64_t outer = first / s.inner, inner = first % s.inner;
  for (int64_t i = 0; i < count; ++i) {
    begin[i] = outer * s.length * s.inner + inner;
    if (++inner == s.inner) inner = 0, ++outer;
  }
}

template <class T>
HL_INLINE void gather(const AxisShape& s, int64_t count, const int64_t (&begin)[kLanes<T>], const T* x, T* line) {
  for (int64_t i = 0; i < count; ++i) {
    const T* from = x + begin[i];
    for (int64_t k = 0; k < s.length; ++k) line[k * kLanes<T> + i] = from[k * s.inner];
  }
}

template <class T>
HL_INLINE void scatter(const AxisShape& s, int64_t count, const int64_t (&begin)[kLanes<T>], const T* line, T* y) {
  for (int64_t i = 0; i < count; ++i) {
    T* to = y + begin[i];
    for (int64_t k = 0; k < s.length; ++k) to[k * s.inner] = line[k * kLanes<T> + i];
  }
}

template <class T>
void lines(const AxisShape& s, int64_t first, int64_t count, bool logarithm, const T* x, T* y) {
  constexpr int64_t lanes = kLanes<T>;
  int64_t begin[lanes];
  // Lanes without a column are computed too, from zeros.
  Line<T> from = {}, to;
  for (int64_t i = 0; i < count; i += lanes) {
    const int64_t width = count - i < lanes ? count - i : lanes;
    find_columns<T>(s, first + i, width, begin);
    gather(s, width, begin, x, from);
    column<T>(s.length, lanes, logarithm, from, to, std::integral_constant<int64_t, lanes>{});
    scatter<T>(s, width, begin, to, y);
  }
}

template <class T>
void lines_grad(const AxisShape& s, int64_t first, int64_t count, bool logarithm, const T* y, const T* dy, T* dx) {
  constexpr int64_t lanes = kLanes<T>;
  int64_t begin[lanes];
  Line<T> from = {}, slope = {}, to;
  for (int64_t i = 0; i < count; i += lanes) {
    const int64_t width = count - i < lanes ? count - i : lanes;
    find_columns<T>(s, first + i, width, begin);
    gather(s, width, begin, y, from);
    gather(s, width, begin, dy, slope);
    column_grad<T>(s.length, lanes, logarithm, from, slope, to, std::integral_constant<int64_t, lanes>{});
    scatter<T>(s, width, begin, to, dx);
  }
}

// ---- rows: a vector is a piece of a row -----------------------------------------------------------------------------

/// f(i, fresh) over the vectors of a row of n >= lanes: the last one overlaps the one before it, and `fresh` has zeros
/// in the lanes that were seen.
template <class T, class F>
HL_INLINE void for_row(int64_t n, F&& f) {
  constexpr int64_t lanes = kLanes<T>;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(i, std::true_type{});
  if (i == n) return;
  Mask<T> fresh{};
  for (int64_t lane = lanes - (n - i); lane < lanes; ++lane) fresh[lane] = -1;
  f(n - lanes, fresh);
}

template <class T>
HL_INLINE Vec<T> only(Vec<T> v, std::true_type) {
  return v;
}
template <class T>
HL_INLINE Vec<T> only(Vec<T> v, Mask<T> fresh) {
  return (Vec<T>)((Mask<T>)v & fresh);
}

template <class T>
HL_INLINE T row_max(int64_t n, const T* x) {
  Vec<T> most = splat(static_cast<T>(-__builtin_inf()));
  for_row<T>(n, [&](int64_t i, auto) {
    const Vec<T> v = load(x + i);
    most = most < v ? v : most;
  });
  T result = most[0];
  for (int lane = 1; lane < kLanes<T>; ++lane) result = result < most[lane] ? most[lane] : result;
  return result;
}

template <class T>
void row(int64_t n, bool logarithm, const T* x, T* y) {
  const Vec<T> most = splat(row_max(n, x));
  Vec<T> sums{};
  if (logarithm) {
    for_row<T>(n, [&](int64_t i, auto fresh) { sums += only<T>(exp_(load(x + i) - most), fresh); });
    const Vec<T> log_sum = log_(splat(horizontal_sum<T>(sums)));
    for_row<T>(n, [&](int64_t i, auto) { store<T>(y + i, (load(x + i) - most) - log_sum); });
    return;
  }
  for_row<T>(n, [&](int64_t i, auto fresh) {
    const Vec<T> e = exp_(load(x + i) - most);
    store<T>(y + i, e);
    sums += only<T>(e, fresh);
  });
  const Vec<T> factor = splat(static_cast<T>(1) / horizontal_sum<T>(sums));
  // The last vector before the others overwrite its beginning.
  const Vec<T> last = load(y + n - kLanes<T>) * factor;
  for (int64_t i = 0; i + kLanes<T> <= n; i += kLanes<T>) store<T>(y + i, load(y + i) * factor);
  store<T>(y + n - kLanes<T>, last);
}

template <class T>
void row_grad(int64_t n, bool logarithm, const T* y, const T* dy, T* dx) {
  Vec<T> sums{};
  if (logarithm) {
    for_row<T>(n, [&](int64_t i, auto fresh) { sums += only<T>(load(dy + i), fresh); });
    const Vec<T> sum = splat(horizontal_sum<T>(sums));
    for_row<T>(n, [&](int64_t i, auto) { store<T>(dx + i, load(dy + i) - exp_(load(y + i)) * sum); });
    return;
  }
  for_row<T>(n, [&](int64_t i, auto fresh) { sums += only<T>(load(y + i) * load(dy + i), fresh); });
  const Vec<T> sum = splat(horizontal_sum<T>(sums));
  for_row<T>(n, [&](int64_t i, auto) { store<T>(dx + i, load(y + i) * (load(dy + i) - sum)); });
}

template <class T>
void rows(int64_t count, int64_t length, bool logarithm, const T* x, T* y) {
  for (int64_t i = 0; i < count; ++i) row(length, logarithm, x + i * length, y + i * length);
}

template <class T>
void rows_grad(int64_t count, int64_t length, bool logarithm, const T* y, const T* dy, T* dx) {
  for (int64_t i = 0; i < count; ++i) row_grad(length, logarithm, y + i * length, dy + i * length, dx + i * length);
}

}  // namespace

template <class T>
const SoftmaxMicro<T>& softmax_table() {
  static constexpr SoftmaxMicro<T> table = {kLanes<T>,  kShortAxis,      rows<T>,  rows_grad<T>,
                                            columns<T>, columns_grad<T>, lines<T>, lines_grad<T>};
  return table;
}

template const SoftmaxMicro<float>& softmax_table<float>();
template const SoftmaxMicro<double>& softmax_table<double>();

}  // namespace hotloop::isa::HL_TIER
