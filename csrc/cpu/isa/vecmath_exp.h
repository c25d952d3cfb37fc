// exp, expm1, tanh, erfc. Part of vecmath.h.
//
// x = n ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts so that n times the first is exact (Cody and Waite, Software
// Manual for the Elementary Functions, 1980); exp(r) is a minimax polynomial.
#pragma once

#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

/// Adding it rounds to an integer, which is then found in the lowest bits.
template <class V>
inline constexpr double kRounder = is_float<V> ? 0x1.8p23 : 0x1.8p52;

/// x = n ln 2 + r + r_low; n stands in the lowest bits of `bits`.
template <class V>
struct ReducedExponent {
  BitsOf<V> bits;
  V r, r_low;
};

template <class V>
HL_INLINE ReducedExponent<V> reduce_exponent(V x) {
  constexpr double high = is_float<V> ? 0.693359375 : 6.93147180369123816490e-01;
  constexpr double low = is_float<V> ? -2.12194440054690583e-4 : 1.90821492927058770002e-10;
  const V rounded = x * constant<V>(1.4426950408889634) + constant<V>(kRounder<V>);
  const V n = rounded - constant<V>(kRounder<V>);
  const V r_high = x - n * constant<V>(high);
  const V r = r_high - n * constant<V>(low);
  return {(BitsOf<V>)rounded, r, (r_high - r) - n * constant<V>(low)};
}

/// factor 2^n, for n in the lowest bits of `bits` and a result that is a normal number.
template <class V>
HL_INLINE V times_power(V factor, BitsOf<V> bits) {
  return (V)((BitsOf<V>)factor + (bits << kMantissa<V>));
}

/// q in exp(r) = 1 + r + r^2 q, |r| <= ln 2 / 2; the relative error in expm1(r) is below 2^-30 (float), 2^-61.
template <class V>
HL_INLINE V exp_tail(V r) {
  if constexpr (is_float<V>) {
    return polynomial(r, {0.5, 0.16666667, 0.041666448, 0.008333078, 0.0013937068, 0.00020079633});
  } else {
    return polynomial(r, {0.5, 0.16666666666666677, 0.04166666666666651, 0.008333333333321686, 0.0013888888888962045,
                          0.00019841269886001613, 2.4801587173096578e-05, 2.755724432049125e-06, 2.755740216330001e-07,
                          2.510900299175979e-08, 2.0875490867428988e-09});
  }
}

template <class V>
HL_INLINE V exp_near_zero(V r) {
  return constant<V>(1) + (r + r * r * exp_tail(r));
}

/// y 2^n, rounded once, for y near 1 and any n that halves make the power of a normal number.
template <class V>
HL_INLINE V scale_by_power(V y, BitsOf<V> bits) {
  const V one = constant<V>(1);
  const BitsOf<V> half = bits >> 1;
  return y * times_power(one, half) * times_power(one, bits - half);
}

template <class V>
HL_INLINE V exp_(V x) {
  // Beyond these the result is 0 or infinity all the same.
  const V least = constant<V>(is_float<V> ? -104 : -746), most = constant<V>(is_float<V> ? 89 : 710);
  x = x < least ? least : x;
  x = x > most ? most : x;
  const auto [bits, r, r_low] = reduce_exponent(x);
  return scale_by_power(exp_near_zero(r), bits);
}

template <class V>
HL_INLINE V expm1_(V x) {
  const V least = constant<V>(is_float<V> ? -18 : -38), most = constant<V>(is_float<V> ? 89 : 710);
  V bounded = x < least ? least : x;
  bounded = bounded > most ? most : bounded;
  const auto [bits, r, r_low] = reduce_exponent(bounded);
  const V small = r + (r_low + r * r * exp_tail(r));
  // 2^n (exp(r) - 1) + (2^n - 1), halved so that 2^n is finite for the greatest n.
  const V half_power = times_power(constant<V>(0.5), bits);
  const V half = small * half_power + (half_power - constant<V>(0.5));
  // Near 0 the result is x, which keeps -0 and every bit of a denormal.
  return abs_(x) < constant<V>(is_float<V> ? 0x1p-26 : 0x1p-55) ? x : half + half;
}

/// factor / (1 + exp(-x)), for |factor| <= 1e15 where x is below 0.
template <class V>
HL_INLINE V logistic_(V x, V factor) {
  const V one = constant<V>(1);
  // Beyond these, 1 + exp(-x) is 1 or the result is 0.
  const V least = constant<V>(is_float<V> ? -20 : -40), most = constant<V>(is_float<V> ? 160 : 800);
  V z = -x;
  z = z < least ? least : z;
  z = z > most ? most : z;
  const auto [bits, r, r_low] = reduce_exponent(z);
  // With exp(-x) = y 2^n: factor / (2^-n + y) 2^-n, which can't overflow and is rounded once where it is denormal.
  const V y = exp_near_zero(r);
  const BitsOf<V> half = bits >> 1;
  const V power_a = times_power(one, BitsOf<V>{} - half), power_b = times_power(one, half - bits);
  return factor / (power_a * power_b + y) * power_a * power_b;
}

template <class V>
HL_INLINE V tanh_(V x) {
  const V one = constant<V>(1), two = constant<V>(2), most = constant<V>(is_float<V> ? 10 : 20);
  V a = abs_(x);
  a = a > most ? most : a;
  const auto [bits, r, r_low] = reduce_exponent(a + a);
  const V e = exp_near_zero(r) * times_power(one, bits);
  const V far = one - two / (e + one);
  const V z = a * a;
  V tail;
  if constexpr (is_float<V>) {
    tail = polynomial(z, {-0.3333332, 0.13332637, -0.05385684, 0.0210882, -0.006295403});
  } else {
    tail = polynomial(z, {-0.333333333333333, 0.13333333333326902, -0.05396825396391069, 0.021869488389885373,
                          -0.008863232664043208, 0.0035920926345460575, -0.0014555465828255604, 0.0005884593223147082,
                          -0.0002334181180078273, 8.336732390116367e-05, -1.952526083481942e-05});
  }
  return with_sign(a < constant<V>(0.55) ? a + a * (z * tail) : far, x);
}

/// The distribution function of the standard normal, relatively exact on the left. With a = |x|, far from 0 it is
/// exp(-a^2 / 2) P((a - k) / (a + k)), after Shepherd and Laframboise, "Chebyshev approximation of (1 + 2x) exp(x^2)
/// erfc x", Mathematics of Computation 36 (1981); near 0 a polynomial.
template <class V>
HL_INLINE V normal_cdf_(V x) {
  const V zero = constant<V>(0), half = constant<V>(0.5), one = constant<V>(1);
  if constexpr (!is_float<V>) {
    return half * by_lane(x * constant<V>(-0.70710678118654752440), [](double v) { return __builtin_erfc(v); });
  } else {
    const V k = constant<V>(1.25), most = constant<V>(14.25);
    V a = abs_(x);
    a = a > most ? most : a;
    // P = p + p_low: what rounding the last sum loses would be seen where x is near -0.8.
    const V t = (a - k) / (a + k), middle = constant<V>(0.23076032);
    const V bend = t * polynomial(t, {-0.27622974, 0.013287533, 0.028908767, 0.009005587, -0.0014137565, -0.0028889482,
                                      -0.001722064, -0.0012143437, 0.0015100068});
    const V p = middle + bend, p_low = bend - (p - middle);
    // a^2 = high^2 + low: high has half the digits, so that its square is exact.
    const V high = (V)((BitsOf<V>)a & ~static_cast<uint32_t>(0xFFF));
    const V low = (a - high) * (a + high);
    const auto [bits, r_high, r_low] = reduce_exponent(-half * high * high);
    const V rest = r_low - half * low, r = r_high + rest;
    const V far = scale_by_power(p + (p_low + p * (r_high + (rest + r * r * exp_tail(r)))), bits);
    const V near = half + x * polynomial(x * x, {0.3989423, -0.06649067, 0.009975446, -0.0011906119, 0.00011223236});
    return a < constant<V>(0.674) ? near : (x < zero ? far : one - far);
  }
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
