// The maximum over a window's pixels, for all columns of a panel at once, and where it goes.
#pragma once

#include "cpu/isa/bytes.h"
#include "cpu/isa/panel_end.h"

namespace hotloop::isa::HL_TIER {
namespace {

inline constexpr int kVectors = 2;  // of a panel
template <class T>
inline constexpr int kColumns = kVectors * kLanes<T>;

/// All columns of a panel: a value each, and the pixel it came from.
template <class T>
struct Best {
  Vec<T> value[kVectors];
  Mask<T> pixel[kVectors];
  Vec<T> sum[kVectors];  // of all values: NaN where there may be a NaN among them
};

/// A NaN beats numbers, nothing beats an earlier NaN.
template <class T>
HL_INLINE Mask<T> wins_exactly(Vec<T> value, Vec<T> best) {
  return (value > best) | ((value != value) & (best == best));
}

template <bool kExact, class T>
HL_INLINE void take_in(const Vec<T> (&value)[kVectors], int64_t pixel, Best<T>& best) {
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    if (pixel == 0) {
      best.value[v] = best.sum[v] = value[v];
      best.pixel[v] = Mask<T>{};
      continue;
    }
    const Mask<T> wins = kExact ? wins_exactly<T>(value[v], best.value[v]) : value[v] > best.value[v];
    best.value[v] = wins ? value[v] : best.value[v];
    best.pixel[v] = wins ? Mask<T>{} + static_cast<typename VectorTypes<T>::Int>(pixel) : best.pixel[v];
    best.sum[v] += value[v];
  }
}

/// A window's results: finished, and stored with their places where argmax is not null.
template <class T>
HL_INLINE void store_best(const Best<T>& best, const PanelEnd<T>& end, T* y, uint8_t* argmax) {
  constexpr int lanes = kLanes<T>;
  T value[kColumns<T>];
  uint8_t pixel[kColumns<T>];
  const bool whole = end.n == kColumns<T>;
  T* values = whole ? y : value;
  uint8_t* pixels = whole && argmax != nullptr ? argmax : pixel;
#pragma GCC unroll 2
  for (int v = 0; v < kVectors; ++v) {
    Vec<T> result = best.value[v] + load(end.bias + v * lanes);
    // NaN is not less than zero and passes through.
    if (end.relu) result = result < Vec<T>{} ? Vec<T>{} : result;
    store<T>(values + v * lanes, result);
    store_bytes<T>(pixels + v * lanes, best.pixel[v]);
  }
  if (whole) return;
  for (int j = 0; j < end.n; ++j) y[j] = value[j];
  for (int j = 0; j < end.n && argmax != nullptr; ++j) argmax[j] = pixel[j];
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
