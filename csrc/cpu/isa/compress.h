// The lanes of a vector that are kept, moved to the front: what lists are made with.
#pragma once

#include "cpu/isa/vec.h"

#if (defined(__AVX512F__) && HL_VECTOR_BYTES == 64) || (defined(__AVX2__) && HL_VECTOR_BYTES == 32)
#  include <immintrin.h>
#endif

namespace hotloop::isa::HL_TIER {
namespace {

#if defined(__AVX2__) && HL_VECTOR_BYTES == 32
/// For each mask of 8 lanes, the lanes it keeps, a byte each.
struct KeptLanes {
  uint64_t of[256];

  constexpr KeptLanes() : of() {
    for (unsigned mask = 0; mask < 256; ++mask) {
      int count = 0;
      for (uint64_t lane = 0; lane < 8; ++lane) {
        if ((mask >> lane & 1) != 0) of[mask] |= lane << (8 * count++);
      }
    }
  }
};
inline constexpr KeptLanes kKeptLanes;
#endif

/// Which lanes of vectors of T, and of integers as wide, are kept: those where the mask is set.
template <class T>
class Kept {
 public:
  HL_INLINE explicit Kept(Mask<T> keep) {
#if defined(__AVX512F__) && HL_VECTOR_BYTES == 64
    if constexpr (sizeof(T) == 4) {
      keep_ = _mm512_movepi32_mask((__m512i)keep);
    } else {
      keep_ = _mm512_movepi64_mask((__m512i)keep);
    }
    count_ = __builtin_popcount(keep_);
#elif defined(__AVX2__) && HL_VECTOR_BYTES == 32
    // Lanes of 8 bytes are two of 4.
    const unsigned mask = static_cast<unsigned>(_mm256_movemask_ps((__m256)keep));
    lanes_ = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(kKeptLanes.of[mask])));
    count_ = __builtin_popcount(mask) / static_cast<int>(sizeof(T) / 4);
#else
    for (int i = 0; i < kLanes<T>; ++i) count_ -= static_cast<int>(keep[i]);
    keep_ = keep;
#endif
  }

  int64_t count() const { return count_; }

  /// Stores the lanes of v that are kept; behind them, `to` is overwritten as far as a vector reaches.
  template <class E, class V>
  HL_INLINE void store(E* to, V v) const {
    static_assert(sizeof(E) == sizeof(T) && sizeof(V) == kVectorBytes);
#if defined(__AVX512F__) && HL_VECTOR_BYTES == 64
    __m512i packed;
    if constexpr (sizeof(T) == 4) {
      packed = _mm512_maskz_compress_epi32(static_cast<__mmask16>(keep_), (__m512i)v);
    } else {
      packed = _mm512_maskz_compress_epi64(static_cast<__mmask8>(keep_), (__m512i)v);
    }
    __builtin_memcpy(to, &packed, sizeof(packed));
#elif defined(__AVX2__) && HL_VECTOR_BYTES == 32
    const __m256i packed = _mm256_permutevar8x32_epi32((__m256i)v, lanes_);
    __builtin_memcpy(to, &packed, sizeof(packed));
#else
    for (int i = 0, count = 0; i < kLanes<T>; ++i) {
      to[count] = v[i];
      count -= static_cast<int>(keep_[i]);  // -1 where kept
    }
#endif
  }

 private:
#if defined(__AVX512F__) && HL_VECTOR_BYTES == 64
  unsigned keep_ = 0;
#elif defined(__AVX2__) && HL_VECTOR_BYTES == 32
  __m256i lanes_;
#else
  Mask<T> keep_;
#endif
  int count_ = 0;
};

}  // namespace
}  // namespace hotloop::isa::HL_TIER
