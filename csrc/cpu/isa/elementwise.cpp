#include "cpu/isa/elementwise.h"

#include "cpu/isa/transcendental.h"
#include "cpu/isa/transpose.h"

namespace hotloop::isa::HL_TIER {
namespace {

#include "formulas.h"

template <class T>
void unary(UnaryOp op, int64_t n, const T* x, T* y) {
  with_unary(op, [&](auto kind) {
    map_vectors<T>(n, y,
                   [&](int64_t i, auto width) { return unary_op<decltype(kind)::value>(load_width(x + i, width)); });
  });
}

/// y (n) = f(a, b) on vectors, with the loads that the steps ask for.
template <class T, class F>
HL_INLINE void pairs(int64_t n, const T* a, int a_step, const T* b, int b_step, T* y, F&& f) {
  if (a_step == 0) {
    const Vec<T> left = splat(*a);
    map_vectors<T>(n, y, [&](int64_t i, auto width) { return f(left, load_width(b + i, width)); });
  } else if (b_step == 0) {
    const Vec<T> right = splat(*b);
    map_vectors<T>(n, y, [&](int64_t i, auto width) { return f(load_width(a + i, width), right); });
  } else {
    map_vectors<T>(n, y, [&](int64_t i, auto width) { return f(load_width(a + i, width), load_width(b + i, width)); });
  }
}

/// x ** exponent where that needs no logarithm: small integers and 1/2. False where it does.
template <class T>
bool simple_power(int64_t n, const T* x, T exponent, T* y) {
  if (exponent == T(0.5)) {
    map_vectors<T>(n, y, [&](int64_t i, auto width) { return root_power(load_width(x + i, width)); });
    return true;
  }
  if (exponent == T(-1)) {
    unary(UnaryOp::reciprocal, n, x, y);
    return true;
  }
  if (!(exponent >= 0 && exponent <= kWholePowers)) return false;
  const int whole = static_cast<int>(exponent);
  if (static_cast<T>(whole) != exponent) return false;
  map_vectors<T>(n, y, [&](int64_t i, auto width) { return whole_power(load_width(x + i, width), whole); });
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
  map_vectors<T>(n, y, [&](int64_t i, auto width) { return load_width(y + i, width) + load_width(x + i, width); });
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
