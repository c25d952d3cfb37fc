#include "cpu/isa/elementwise.h"

#include "cpu/isa/transcendental.h"

namespace hotloop::isa::HL_TIER {
namespace {

#include "formulas.h"

template <class T>
void unary(UnaryOp op, int64_t n, const T* x, T* y) {
  with_unary(op, [&](auto kind) {
    for_vectors<T>(n, [&](int64_t i, auto width) {
      store_width(y + i, unary_op<decltype(kind)::value>(load_width(x + i, width)), width);
    });
  });
}

/// y (n) = f(a, b) on vectors, with the loads that the steps ask for.
template <class T, class F>
HL_INLINE void pairs(int64_t n, const T* a, int a_step, const T* b, int b_step, T* y, F&& f) {
  if (a_step == 0) {
    const Vec<T> left = splat(*a);
    for_vectors<T>(n, [&](int64_t i, auto width) { store_width(y + i, f(left, load_width(b + i, width)), width); });
  } else if (b_step == 0) {
    const Vec<T> right = splat(*b);
    for_vectors<T>(n, [&](int64_t i, auto width) { store_width(y + i, f(load_width(a + i, width), right), width); });
  } else {
    for_vectors<T>(n, [&](int64_t i, auto width) {
      store_width(y + i, f(load_width(a + i, width), load_width(b + i, width)), width);
    });
  }
}

/// x ** exponent where that needs no logarithm: small integers and 1/2. False where it does.
template <class T>
bool simple_power(int64_t n, const T* x, T exponent, T* y) {
  if (exponent == T(0.5)) {
    unary(UnaryOp::sqrt, n, x, y);
    return true;
  }
  if (exponent == T(-1)) {
    unary(UnaryOp::reciprocal, n, x, y);
    return true;
  }
  if (!(exponent >= 0 && exponent <= 8)) return false;
  const int whole = static_cast<int>(exponent);
  if (static_cast<T>(whole) != exponent) return false;
  for_vectors<T>(n, [&](int64_t i, auto width) {
    Vec<T> square = load_width(x + i, width), product = constant<Vec<T>>(1);
    for (int bits = whole; bits > 0; bits /= 2, square *= square) {
      if (bits % 2 == 1) product *= square;
    }
    store_width(y + i, product, width);
  });
  return true;
}

template <class T>
void binary(BinaryOp op, int64_t n, const T* a, int a_step, const T* b, int b_step, T* y) {
  if (op == BinaryOp::power && a_step == 1 && b_step == 0 && simple_power(n, a, *b, y)) return;
  with_binary(op, [&](auto kind) {
    pairs(n, a, a_step, b, b_step, y,
          [](Vec<T> left, Vec<T> right) { return binary_op<decltype(kind)::value>(left, right); });
  });
}

template <class T>
void compare(CompareOp op, int64_t n, const T* __restrict a, int a_step, const T* __restrict b, int b_step,
             uint8_t* __restrict y) {
  with_compare(op, [&](auto kind) {
    constexpr CompareOp what = decltype(kind)::value;
    if (a_step == 0) {
      const T left = *a;
      for (int64_t i = 0; i < n; ++i) y[i] = compare_op<what>(left, b[i]);
    } else if (b_step == 0) {
      const T right = *b;
      for (int64_t i = 0; i < n; ++i) y[i] = compare_op<what>(a[i], right);
    } else {
      for (int64_t i = 0; i < n; ++i) y[i] = compare_op<what>(a[i], b[i]);
    }
  });
}

template <class T>
void accumulate(int64_t n, const T* x, T* y) {
  for_vectors<T>(n, [&](int64_t i, auto width) {
    store_width(y + i, load_width(y + i, width) + load_width(x + i, width), width);
  });
}

/// Indices of one side of a butterfly: lanes of u (from 0) and v (from kLanes) alternate in groups of `half`.
template <class T, int half, int high, int... lane>
HL_INLINE Vec<T> exchange(Vec<T> u, Vec<T> v, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(u, v, ((lane & half) ? kLanes<T> + lane - half + high : lane + high)...);
}

/// One stage of transposing kLanes rows: swaps the off-diagonal blocks of size `half`, for half = 1, 2, 4, ...
template <class T, int half>
HL_INLINE void swap_blocks(Vec<T>* row) {
  if constexpr (half < kLanes<T>) {
    constexpr std::make_integer_sequence<int, kLanes<T>> lanes{};
#pragma GCC unroll 16
    for (int i = 0; i < kLanes<T>; ++i) {
      if ((i & half) == 0) {
        const Vec<T> u = row[i], v = row[i + half];
        row[i] = exchange<T, half, 0>(u, v, lanes);
        row[i + half] = exchange<T, half, half>(u, v, lanes);
      }
    }
    swap_blocks<T, 2 * half>(row);
  }
}

template <class T>
void transpose(int64_t rows, int64_t cols, const T* x, int64_t x_stride, T* y, int64_t y_stride) {
  constexpr int64_t lanes = kLanes<T>;
  const int64_t whole_rows = rows - rows % lanes, whole_cols = cols - cols % lanes;
  for (int64_t r = 0; r < whole_rows; r += lanes) {
    for (int64_t c = 0; c < whole_cols; c += lanes) {
      Vec<T> block[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) block[i] = load(x + (c + i) * x_stride + r);
      swap_blocks<T, 1>(block);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) store<T>(y + (r + i) * y_stride + c, block[i]);
    }
    for (int64_t i = r; i < r + lanes; ++i) {
      for (int64_t c = whole_cols; c < cols; ++c) y[i * y_stride + c] = x[c * x_stride + i];
    }
  }
  for (int64_t r = whole_rows; r < rows; ++r) {
    for (int64_t c = 0; c < cols; ++c) y[r * y_stride + c] = x[c * x_stride + r];
  }
}

}  // namespace

template <class T>
const ElementwiseMicro<T>& elementwise_table() {
  static constexpr ElementwiseMicro<T> table = {unary<T>, binary<T>, compare<T>, accumulate<T>, transpose<T>};
  return table;
}

template const ElementwiseMicro<float>& elementwise_table<float>();
template const ElementwiseMicro<double>& elementwise_table<double>();

}  // namespace hotloop::isa::HL_TIER
