// Sums are added up pairwise, or in blocks of about the square root of their length, so that the error of a float32 sum
// stays near the rounding of its terms however long it is.
#include "cpu/isa/reduce.h"

#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

/// V is a vector; maximum and minimum keep a NaN from either side.
template <ReduceOp op, class V>
HL_INLINE V combine(V a, V b) {
  if constexpr (op == ReduceOp::max) return ((b > a) | (b != b)) ? b : a;
  if constexpr (op == ReduceOp::min) return ((b < a) | (b != b)) ? b : a;
  return a + b;
}

template <class F>
HL_INLINE void with_reduce(ReduceOp op, F&& f) {
  switch (op) {
    case ReduceOp::max:
      return f(std::integral_constant<ReduceOp, ReduceOp::max>{});
    case ReduceOp::min:
      return f(std::integral_constant<ReduceOp, ReduceOp::min>{});
    default:
      return f(std::integral_constant<ReduceOp, ReduceOp::sum>{});
  }
}

constexpr int kWide = 8;  // vectors side by side in a run: enough to hide the latency of an addition

template <class T>
struct Bundle {
  Vec<T> v[kWide];
};

/// Lane by lane over `steps` >= 1 bundles of x: straight for up to 64 of them, else the two halves of the run.
template <ReduceOp op, class T>
Bundle<T> fold(int64_t steps, const T* x) {
  constexpr int64_t step = kWide * kLanes<T>;
  Bundle<T> result;
  if (steps <= 64) {
    for (int i = 0; i < kWide; ++i) result.v[i] = load(x + i * kLanes<T>);
    for (int64_t s = 1; s < steps; ++s) {
      for (int i = 0; i < kWide; ++i) result.v[i] = combine<op>(result.v[i], load(x + s * step + i * kLanes<T>));
    }
    return result;
  }
  const int64_t half = steps / 2;
  result = fold<op, T>(half, x);
  const Bundle<T> rest = fold<op, T>(steps - half, x + half * step);
  for (int i = 0; i < kWide; ++i) result.v[i] = combine<op>(result.v[i], rest.v[i]);
  return result;
}

template <ReduceOp op, class T>
HL_INLINE T run(int64_t n, const T* x) {
  constexpr int64_t lanes = kLanes<T>, step = kWide * lanes;
  if (n < lanes) {
    T total = x[0];
    for (int64_t i = 1; i < n; ++i) total = combine<op>(total, x[i]);
    return total;
  }
  int64_t i = lanes;
  Vec<T> total;
  if (n >= step) {
    Bundle<T> bundle = fold<op, T>(n / step, x);
    for (int half = kWide / 2; half > 0; half /= 2) {
      for (int j = 0; j < half; ++j) bundle.v[j] = combine<op>(bundle.v[j], bundle.v[j + half]);
    }
    total = bundle.v[0];
    i = n - n % step;
  } else {
    total = load(x);
  }
  for (; i + lanes <= n; i += lanes) total = combine<op>(total, load(x + i));
  T lane[lanes];
  __builtin_memcpy(lane, &total, sizeof(total));
  for (int half = lanes / 2; half > 0; half /= 2) {
    for (int j = 0; j < half; ++j) lane[j] = combine<op>(lane[j], lane[j + half]);
  }
  for (; i < n; ++i) lane[0] = combine<op>(lane[0], x[i]);
  return lane[0];
}

template <class T>
void rows(ReduceOp op, int64_t count, int64_t n, const T* x, T* y) {
  with_reduce(op, [&](auto kind) {
    for (int64_t r = 0; r < count; ++r) y[r] = run<decltype(kind)::value>(n, x + r * n);
  });
}

/// count <= 8 rows of a column of vectors, as a tree.
template <ReduceOp op, int count, class T, class Width>
HL_INLINE Vec<T> tree(const T* x, int64_t stride, Width width) {
  if constexpr (count == 1) {
    return load_width(x, width);
  } else {
    return combine<op>(tree<op, count / 2>(x, stride, width),
                       tree<op, count - count / 2>(x + count / 2 * stride, stride, width));
  }
}

/// y (cols) = `count` rows of x, or that combined with what y held.
template <ReduceOp op, int count, class T>
HL_INLINE void add_rows(bool first, int64_t cols, const T* x, int64_t stride, T* y) {
  if (first) {
    for_vectors<T>(cols,
                   [&](int64_t c, auto width) { store_width(y + c, tree<op, count>(x + c, stride, width), width); });
  } else {
    for_vectors<T>(cols, [&](int64_t c, auto width) {
      store_width(y + c, combine<op>(load_width(y + c, width), tree<op, count>(x + c, stride, width)), width);
    });
  }
}

template <ReduceOp op, class T>
void block_of_rows(int64_t count, int64_t cols, const T* x, int64_t stride, T* y) {
  int64_t r = 0;
  for (; r + 8 <= count; r += 8) add_rows<op, 8>(r == 0, cols, x + r * stride, stride, y);
  for (; r + 2 <= count; r += 2) add_rows<op, 2>(r == 0, cols, x + r * stride, stride, y);
  if (r < count) add_rows<op, 1>(r == 0, cols, x + r * stride, stride, y);
}

constexpr int64_t kColumns = 1024;  // columns at a time: their totals stay in the first cache

template <ReduceOp op, class T>
void tall(int64_t count, int64_t cols, const T* x, int64_t stride, T* y) {
  int64_t block = 64;
  while (block * block < count) block += 8;
  T part[kColumns];
  for (int64_t c = 0; c < cols; c += kColumns) {
    const int64_t width = cols - c < kColumns ? cols - c : kColumns;
    for (int64_t r = 0; r < count; r += block) {
      const int64_t height = count - r < block ? count - r : block;
      block_of_rows<op>(height, width, x + r * stride + c, stride, r == 0 ? y + c : part);
      if (r > 0) add_rows<op, 1>(false, width, part, 0, y + c);
    }
  }
}

constexpr int64_t kFolded = 16;  // rows of a narrow matrix that are taken as one

template <class T>
void columns(ReduceOp op, int64_t count, int64_t cols, const T* x, int64_t stride, T* y) {
  with_reduce(op, [&](auto kind) {
    constexpr ReduceOp what = decltype(kind)::value;
    if (cols >= kColumns / kFolded || stride != cols || count < 2 * kFolded) {
      return tall<what>(count, cols, x, stride, y);
    }
    T wide[kColumns];
    const int64_t folded = count / kFolded * kFolded;
    tall<what>(count / kFolded, cols * kFolded, x, cols * kFolded, wide);
    tall<what>(kFolded, cols, wide, cols, y);
    for (int64_t r = folded; r < count; ++r) add_rows<what, 1>(false, cols, x + r * cols, 0, y);
  });
}

/// The first place in x (n) of `best`, which is there, or of a NaN where best is one.
template <class T>
int64_t find(int64_t n, const T* x, T best) {
  constexpr int64_t lanes = kLanes<T>;
  const Vec<T> wanted = splat(best);
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const Vec<T> v = load(x + i);
    if (any((v == wanted) | (v != v))) break;
  }
  for (; i < n; ++i) {
    if (x[i] == best || x[i] != x[i]) break;
  }
  return i;
}

/// Blocks small enough to be still in cache when the place of a new maximum is looked for.
template <class T>
int64_t argmax_of_run(int64_t n, const T* x) {
  constexpr int64_t block = 1024;
  T best = run<ReduceOp::max>(n < block ? n : block, x);
  int64_t at = find(n, x, best);
  for (int64_t i = block; i < n && best == best; i += block) {
    const int64_t length = n - i < block ? n - i : block;
    const T candidate = run<ReduceOp::max>(length, x + i);
    if (candidate > best || candidate != candidate) {
      best = candidate;
      at = i + find(length, x + i, best);
    }
  }
  return at;
}

/// Rows too short for a vector: a lane is a row; lanes without one repeat the last.
template <class T>
void argmax_of_lines(int64_t rows, int64_t cols, const T* x, int64_t* y) {
  constexpr int64_t lanes = kLanes<T>;
  for (int64_t r = 0; r < rows; r += lanes) {
    const int64_t count = rows - r < lanes ? rows - r : lanes;
    const auto column = [&](int64_t c) __attribute__((always_inline)) {
      Vec<T> v;
      for (int64_t i = 0; i < lanes; ++i) v[i] = x[(r + (i < count ? i : count - 1)) * cols + c];
      return v;
    };
    Vec<T> best = column(0), place{};
    for (int64_t c = 1; c < cols; ++c) {
      const Vec<T> next = column(c);
      const auto stays = (next <= best) | (best != best);
      best = stays ? best : next;
      place = stays ? place : splat(static_cast<T>(c));
    }
    for (int64_t i = 0; i < count; ++i) y[r + i] = static_cast<int64_t>(place[i]);
  }
}

template <class T>
void argmax(int64_t rows, int64_t cols, const T* x, int64_t* y) {
  constexpr int64_t short_row = 32;
  if (cols <= short_row) return argmax_of_lines(rows, cols, x, y);
  for (int64_t r = 0; r < rows; ++r) y[r] = argmax_of_run(cols, x + r * cols);
}

}  // namespace

template <class T>
const ReduceMicro<T>& reduce_table() {
  static constexpr ReduceMicro<T> table = {rows<T>, columns<T>, argmax<T>};
  return table;
}

template const ReduceMicro<float>& reduce_table<float>();
template const ReduceMicro<double>& reduce_table<double>();

}  // namespace hotloop::isa::HL_TIER
