// The primitives of formulas.h for the vectors of a tier.
#pragma once

#include "cpu/isa/vec.h"

#define HL_FORMULA static HL_INLINE

namespace hotloop::isa::HL_TIER {
namespace {

/// The element type of a vector.
template <class V>
using Lane = std::remove_cvref_t<decltype(V{}[0])>;

template <class V>
HL_INLINE V constant(double value) {
  return splat(static_cast<Lane<V>>(value));
}

/// f on every lane; for what is not worth a polynomial.
template <class V, class F>
HL_INLINE V by_lane(V x, F&& f) {
  for (int i = 0; i < kLanes<Lane<V>>; ++i) x[i] = f(x[i]);
  return x;
}

template <class V>
HL_INLINE V abs_(V x) {
  return x < V{} ? -x : x;
}
template <class V>
HL_INLINE V sqrt_(V x) {
  return by_lane(x, [](auto v) { return sizeof(v) == 4 ? __builtin_sqrtf(v) : __builtin_sqrt(v); });
}
template <class V>
HL_INLINE V exp_(V x) {
  return by_lane(x, [](auto v) { return __builtin_exp(v); });
}
template <class V>
HL_INLINE V expm1_(V x) {
  return by_lane(x, [](auto v) { return __builtin_expm1(v); });
}
template <class V>
HL_INLINE V log1p_(V x) {
  return by_lane(x, [](auto v) { return __builtin_log1p(v); });
}
template <class V>
HL_INLINE V log_(V x) {
  return by_lane(x, [](auto v) { return sizeof(v) == 4 ? __builtin_logf(v) : __builtin_log(v); });
}
template <class V>
HL_INLINE V tanh_(V x) {
  return by_lane(x, [](auto v) { return __builtin_tanh(v); });
}
template <class V>
HL_INLINE V erfc_(V x) {
  return by_lane(x, [](auto v) { return __builtin_erfc(v); });
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
