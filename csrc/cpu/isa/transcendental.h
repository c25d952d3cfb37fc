// The primitives of formulas.h that only the elementwise ops need.
#pragma once

#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

template <class V>
HL_INLINE V sin_(V x) {
  return by_lane(x, [](auto v) { return sizeof(v) == 4 ? __builtin_sinf(v) : __builtin_sin(v); });
}
template <class V>
HL_INLINE V cos_(V x) {
  return by_lane(x, [](auto v) { return sizeof(v) == 4 ? __builtin_cosf(v) : __builtin_cos(v); });
}
template <class V>
HL_INLINE V pow_(V x, V y) {
  for (int i = 0; i < kLanes<Lane<V>>; ++i) {
    x[i] = sizeof(x[i]) == 4 ? __builtin_powf(x[i], y[i]) : __builtin_pow(x[i], y[i]);
  }
  return x;
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
