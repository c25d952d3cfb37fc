// The primitives of formulas.h that only the elementwise ops need: sin, cos, pow. In float they pass through double
// where float would lose digits; in double they are the C library's.
#pragma once

#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

/// As many doubles as a vector has floats: the shape in which compilers convert without detours.
typedef double Doubles __attribute__((vector_size(2 * HL_VECTOR_BYTES)));

/// f on the lanes of the floats, as two vectors of doubles.
template <class F, class... V>
HL_INLINE Vec<float> in_double(F&& f, V... x) {
  Vec<double> result[2];
  for (int i = 0; i < 2; ++i) {
    const auto half = [i](Vec<float> v) {
      const Doubles both = __builtin_convertvector(v, Doubles);
      Vec<double> halves[2];
      __builtin_memcpy(halves, &both, sizeof(both));
      return halves[i];
    };
    result[i] = f(half(x)...);
  }
  Doubles joined;
  __builtin_memcpy(&joined, result, sizeof(joined));
  return __builtin_convertvector(joined, Vec<float>);
}

/// sin(x + quarters pi / 2) for |x| < 2^20: x = n pi / 2 + r, |r| <= pi / 4, with pi / 2 in two parts, of which the
/// first times n is exact; then the polynomials of Moshier's Cephes, sinf.c.
HL_INLINE Vec<float> shifted_sine(Vec<float> x, int32_t quarters) {
  constexpr double rounder = 0x1.8p52;
  const auto multiple = [](Vec<double> v) {
    return (v * constant<Vec<double>>(0.63661977236758134308) + constant<Vec<double>>(rounder)) -
           constant<Vec<double>>(rounder);
  };
  const Vec<float> n = in_double(multiple, x);
  const Vec<float> r = in_double(
      [](Vec<double> v, Vec<double> m) {
        return (v - m * constant<Vec<double>>(1.57079632673412561417)) -
               m * constant<Vec<double>>(6.07710050650619224932e-11);
      },
      x, n);
  const Mask<float> turn = __builtin_convertvector(n, Mask<float>) + quarters;
  const Vec<float> z = r * r;
  const Vec<float> sine = r + r * z * polynomial(z, {-1.6666654611e-1, 8.3321608736e-3, -1.9515295891e-4});
  const Vec<float> cosine = constant<Vec<float>>(1) - constant<Vec<float>>(0.5) * z +
                            z * z * polynomial(z, {4.166664568298827e-2, -1.388731625493765e-3, 2.443315711809948e-5});
  const Vec<float> y = (turn & 1) != 0 ? cosine : sine;
  return (turn & 2) != 0 ? -y : y;
}

HL_INLINE Mask<float> far_from_zero(Vec<float> x) { return ~(abs_(x) < constant<Vec<float>>(0x1p20)); }

/// y with f(x...) in the lanes of the mask, so that no lane depends on what lies beside it.
template <class F, class... V>
__attribute__((noinline)) Vec<float> in_lanes(Mask<float> where, Vec<float> y, F f, V... x) {
  for (int i = 0; i < kLanes<float>; ++i) {
    if (where[i] != 0) y[i] = f(x[i]...);
  }
  return y;
}

HL_INLINE Vec<float> sin_(Vec<float> x) {
  const Mask<float> far = far_from_zero(x);
  const Vec<float> near = shifted_sine(far ? Vec<float>{} : x, 0);
  const Vec<float> y = x == Vec<float>{} ? x : near;  // sin(-0) is -0
  return any(far) ? in_lanes(far, y, [](float v) { return __builtin_sinf(v); }, x) : y;
}
HL_INLINE Vec<double> sin_(Vec<double> x) {
  return by_lane(x, [](double v) { return __builtin_sin(v); });
}

HL_INLINE Vec<float> cos_(Vec<float> x) {
  const Mask<float> far = far_from_zero(x);
  const Vec<float> y = shifted_sine(far ? Vec<float>{} : x, 1);
  return any(far) ? in_lanes(far, y, [](float v) { return __builtin_cosf(v); }, x) : y;
}
HL_INLINE Vec<double> cos_(Vec<double> x) {
  return by_lane(x, [](double v) { return __builtin_cos(v); });
}

HL_INLINE Vec<float> pow_(Vec<float> x, Vec<float> y) {
  const Vec<float> power = in_double([](Vec<double> a, Vec<double> b) { return exp_(b * log_(a)); }, x, y);
  const Vec<float> one = constant<Vec<float>>(1);
  const Vec<float> right = ((x == one) | (y == Vec<float>{})) ? one : power;
  const Mask<float> negative = (Mask<float>)x < 0;  // signs, and which exponents are odd, are the library's
  if (!any(negative)) return right;
  return in_lanes(negative, right, [](float a, float b) { return __builtin_powf(a, b); }, x, y);
}
__attribute__((noinline)) Vec<double> pow_(Vec<double> x, Vec<double> y) {
  for (int i = 0; i < kLanes<double>; ++i) x[i] = __builtin_pow(x[i], y[i]);
  return x;
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
