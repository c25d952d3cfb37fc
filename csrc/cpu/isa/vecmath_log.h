// log, log1p. Part of vecmath.h.
//
// x = 2^e (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2); ln 2 in two parts so that e times the first is exact.
#pragma once

#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

template <class V>
struct SplitNumber {
  V e, f;
  BitsOf<V> inverse_power;  // the bits of 2^-e
};

/// Splits normal, positive numbers; anything else gives numbers without a meaning.
template <class V>
HL_INLINE SplitNumber<V> split_number(V x) {
  constexpr double two_to_mantissa = is_float<V> ? 0x1p23 : 0x1p52;
  const BitsOf<V> one = (BitsOf<V>)constant<V>(1), least = (BitsOf<V>)constant<V>(0.70710678118654752440);
  const BitsOf<V> mantissa_bits =
      (BitsOf<V>)constant<V>(two_to_mantissa) ^ (BitsOf<V>)constant<V>(2 * two_to_mantissa - 1);
  // The exponent now steps at `least` instead of 1.
  const BitsOf<V> shifted = (BitsOf<V>)x + (one - least);
  const BitsOf<V> biased = shifted >> kMantissa<V>;
  const V e = (V)(biased | (BitsOf<V>)constant<V>(two_to_mantissa)) - constant<V>(two_to_mantissa + kBias<V>);
  const V m = (V)((shifted & mantissa_bits) + least);
  return {e, m - constant<V>(1), (2 * kBias<V> - biased) << kMantissa<V>};
}

/// e ln 2 + log(1 + f)
template <class V>
HL_INLINE V log_split(V e, V f) {
  const V half_square = constant<V>(0.5) * f * f;
  if constexpr (is_float<V>) {
    const V tail = f * f * f *
                   polynomial(f, {0.3333333, -0.25000823, 0.20001261, -0.16623335, 0.14200968, -0.13159268, 0.1276473,
                                  -0.07639401});
    const V low = tail + e * constant<V>(-2.12194440054690583e-4);
    return e * constant<V>(0.693359375) + (f + (low - half_square));
  } else {
    // log(1 + f) = 2 atanh(s), s = f / (2 + f), written as f - f^2 / 2 + s (f^2 / 2 + R(s^2)).
    const V s = f / (constant<V>(2) + f), z = s * s;
    const V r = z * polynomial(z, {0.6666666666666735, 0.39999999999409286, 0.285714287437131, 0.22222198425261863,
                                   0.18183572591085848, 0.15313825170905143, 0.147983371990303});
    const V low = s * (half_square + r) + e * constant<V>(1.90821492927058770002e-10);
    return e * constant<V>(6.93147180369123816490e-01) + (f + (low - half_square));
  }
}

template <class V>
HL_INLINE V log_(V x) {
  const V zero = constant<V>(0), infinity = constant<V>(__builtin_inf());
  const auto denormal = x < constant<V>(is_float<V> ? 0x1p-126 : 0x1p-1022);
  const auto [e, f, inverse] = split_number(denormal ? x * constant<V>(is_float<V> ? 0x1p23 : 0x1p52) : x);
  const V y = log_split(denormal ? e - constant<V>(kMantissa<V>) : e, f);
  return x > zero ? (x < infinity ? y : x) : (x == zero ? -infinity : constant<V>(__builtin_nan("")));
}

template <class V>
HL_INLINE V log1p_(V x) {
  const V zero = constant<V>(0), one = constant<V>(1), infinity = constant<V>(__builtin_inf());
  // 1 + x = sum + rest, without an error (Knuth).
  const V sum = one + x, back = sum - one;
  const V rest = (one - (sum - back)) + (x - back);
  const auto [e, f, inverse] = split_number(sum);
  const V correction = x < constant<V>(0x1p60) ? rest * (V)inverse : zero;
  const V y = log_split(e, f + correction);
  // log1p(-0) is -0.
  return x > -one ? (x < infinity ? (x == zero ? x : y) : x) : (x == -one ? -infinity : constant<V>(__builtin_nan("")));
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
