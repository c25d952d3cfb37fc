// The primitives of formulas.h for the vectors of a tier: polynomials without branches, for float and double, right at
// overflow, at denormal results, for -0, infinities and NaN.
//
// In float the errors are at most about 2 units in the last place (tests/test_vecmath.py). The compiler may fuse any
// product with a sum here: what must be exact is exact either way. Tests are written so that a NaN passes through.
#pragma once

#include "cpu/isa/vec.h"

#define HL_FORMULA static HL_INLINE

namespace hotloop::isa::HL_TIER {
namespace {

/// The element type of a vector.
template <class V>
using Lane = std::remove_cvref_t<decltype(V{}[0])>;
/// The bit patterns of a vector.
template <class V>
using BitsOf = Bits<Lane<V>>;

template <class V>
HL_INLINE V constant(double value) {
  return splat(static_cast<Lane<V>>(value));
}

template <class V>
inline constexpr bool is_float = sizeof(Lane<V>) == sizeof(float);

/// IEEE 754's layout: bits of the mantissa, bias of the exponent.
template <class V>
inline constexpr int kMantissa = is_float<V> ? 23 : 52;
template <class V>
inline constexpr int kBias = is_float<V> ? 127 : 1023;
template <class V>
inline constexpr auto kSignBit =
    static_cast<std::make_unsigned_t<typename VectorTypes<Lane<V>>::Int>>(1) << (sizeof(Lane<V>) * 8 - 1);

/// f on every lane through the C library, out of line: for what is not worth a polynomial.
template <class V, class F>
__attribute__((noinline)) V by_lane(V x, F f) {
  for (int i = 0; i < kLanes<Lane<V>>; ++i) x[i] = f(x[i]);
  return x;
}

/// c[0] + x c[1] + x^2 c[2] + ...
template <class V, int N>
HL_INLINE V polynomial(V x, const double (&c)[N]) {
  V sum = constant<V>(c[N - 1]);
#pragma GCC unroll 16
  for (int i = N - 2; i >= 0; --i) sum = sum * x + constant<V>(c[i]);
  return sum;
}

template <class V>
HL_INLINE V abs_(V x) {
  return (V)((BitsOf<V>)x & ~kSignBit<V>);
}

/// |x| with the sign of `sign`.
template <class V>
HL_INLINE V with_sign(V x, V sign) {
  return (V)(((BitsOf<V>)x & ~kSignBit<V>) | ((BitsOf<V>)sign & kSignBit<V>));
}

template <class V>
HL_INLINE V sqrt_(V x) {
  Lane<V> lane[kLanes<Lane<V>>];
  __builtin_memcpy(lane, &x, sizeof(x));
  for (Lane<V>& v : lane) v = is_float<V> ? __builtin_sqrtf(v) : __builtin_sqrt(v);
  __builtin_memcpy(&x, lane, sizeof(x));
  return x;
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER

#include "cpu/isa/vecmath_exp.h"
#include "cpu/isa/vecmath_log.h"
