// The vectors of one tier. CMake compiles every cpu/isa/*.cpp once per tier with HL_TIER set to the tier's name and
// HL_VECTOR_BYTES to the width its registers have; everything else is written once, in compiler vector extensions.
//
// All code of a tier lives in an unnamed namespace inside hotloop::isa::<tier>, and calls no function of the standard
// library that the compiler could emit out of line: a shared inline function compiled for AVX-512 could otherwise be
// the copy the linker keeps for everybody.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace hotloop::isa::HL_TIER {
namespace {

#define HL_INLINE inline __attribute__((always_inline))

inline constexpr int kVectorBytes = HL_VECTOR_BYTES;

template <class T>
struct VectorTypes {
  using Int = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
  using UInt = std::make_unsigned_t<Int>;
  typedef T Vec __attribute__((vector_size(HL_VECTOR_BYTES)));
  typedef T Unaligned __attribute__((vector_size(HL_VECTOR_BYTES), aligned(sizeof(T)), may_alias));
  typedef Int Mask __attribute__((vector_size(HL_VECTOR_BYTES)));
  typedef UInt Bits __attribute__((vector_size(HL_VECTOR_BYTES)));
};

/// A register of T; arithmetic, comparisons and `mask ? a : b` are the compiler's.
template <class T>
using Vec = typename VectorTypes<T>::Vec;
/// Integers of T's width: what a comparison of two Vec<T> gives (all bits set where true).
template <class T>
using Mask = typename VectorTypes<T>::Mask;
/// Unsigned integers of T's width: bit patterns. A cast between the three keeps the bits.
template <class T>
using Bits = typename VectorTypes<T>::Bits;

template <class T>
inline constexpr int kLanes = HL_VECTOR_BYTES / static_cast<int>(sizeof(T));

/// Minus zero: x - 0 is x for every x, -0 included, so that the compiler makes this one broadcast.
template <class T>
HL_INLINE Vec<T> splat(T value) {
  return value - Vec<T>{};
}

template <class T>
HL_INLINE Vec<T> load(const T* p) {
  return *reinterpret_cast<const typename VectorTypes<T>::Unaligned*>(p);
}

template <class T>
HL_INLINE void store(T* p, Vec<T> v) {
  *reinterpret_cast<typename VectorTypes<T>::Unaligned*>(p) = v;
}

/// The first n < kLanes<T> elements, zeros behind them; touches no memory past them.
template <class T>
HL_INLINE Vec<T> load_part(const T* p, int64_t n) {
  Vec<T> v{};
  for (int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
}

template <class T>
HL_INLINE void store_part(T* p, Vec<T> v, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
}

/// f(i, width) over [0, n) with a full width wherever it fits and the rest at the end; f loads and stores by width.
/// An element's result is the same bits wherever a range begins, since the rest runs through the same vector code.
template <class T, class F>
HL_INLINE void for_vectors(int64_t n, F&& f) {
  constexpr int64_t lanes = kLanes<T>;
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) f(i, std::integral_constant<int64_t, lanes>{});
  if (i < n) f(i, n - i);
}

template <class T, class Width>
HL_INLINE Vec<T> load_width(const T* p, Width width) {
  if constexpr (std::is_integral_v<Width>) {
    return load_part(p, width);
  } else {
    return load(p);
  }
}

template <class T, class Width>
HL_INLINE void store_width(T* p, Vec<T> v, Width width) {
  if constexpr (std::is_integral_v<Width>) {
    store_part(p, v, width);
  } else {
    store<T>(p, v);
  }
}

/// y[i] = f(i, width) over [0, n): two vectors at a time, so that the loads of a whole cache line stand before its
/// stores, which otherwise take turns at the second cache. y may be what f reads, at the same index.
template <class T, class F>
HL_INLINE void map_vectors(int64_t n, T* y, F&& f) {
  constexpr std::integral_constant<int64_t, kLanes<T>> full;
  int64_t i = 0;
  for (; i + 2 * full <= n; i += 2 * full) {
    const Vec<T> first = f(i, full), second = f(i + full, full);
    store<T>(y + i, first);
    store<T>(y + i + full, second);
  }
  if (i + full <= n) {
    store<T>(y + i, f(i, full));
    i += full;
  }
  if (i < n) store_part<T>(y + i, f(i, n - i), n - i);
}

/// True where a lane of the mask is.
template <class M>
HL_INLINE bool any(M mask) {
  int64_t word[sizeof(mask) / 8], all = 0;
  __builtin_memcpy(word, &mask, sizeof(mask));
  for (const int64_t w : word) all |= w;
  return all != 0;
}

/// Lanes added up in a fixed order.
template <class T>
HL_INLINE T horizontal_sum(Vec<T> v) {
  T lane[kLanes<T>];
  __builtin_memcpy(lane, &v, sizeof(v));
  for (int half = kLanes<T> / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
  }
  return lane[0];
}

}  // namespace
}  // namespace hotloop::isa::HL_TIER
