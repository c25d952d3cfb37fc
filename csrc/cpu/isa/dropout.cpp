#include "cpu/isa/dropout.h"

#ifdef __SSE2__
#  include <immintrin.h>
#endif

#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

/// 64-bit lanes, each with a word in its low half.
using Words = Bits<double>;

/// The 64-bit products of the low halves: one instruction that compilers do not find by themselves.
HL_INLINE Words multiply_words(Words a, Words b) {
#if HL_VECTOR_BYTES == 64 && defined(__AVX512F__)
  return (Words)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)b);  // unmasked, GCC 12 warns of its own header
#elif HL_VECTOR_BYTES == 32 && defined(__AVX2__)
  return (Words)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif HL_VECTOR_BYTES == 16 && defined(__SSE2__)
  return (Words)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

#include "philox.h"

/// Blocks of a tile that fill a vector of T.
template <class T>
inline constexpr int kBlocks = kLanes<T>;

/// Masks of the elements that are dropped, for words 0 .. 3 of kBlocks<T> blocks from `block` on.
template <class T>
HL_INLINE void dropped(const DropoutSpec& s, uint64_t block, uint32_t threshold, Mask<T> (&drop)[4]) {
  Words lane{};
  for (int i = 0; i < kLanes<double>; ++i) lane[i] = static_cast<uint64_t>(i);
  if constexpr (sizeof(T) == sizeof(double)) {
    const auto random = dropout_words(block + lane, s.counter, s.seed);
    for (int w = 0; w < 4; ++w) drop[w] = (random.word[w] & 0xFFFFFFFFu) < (Words{} + threshold);
  } else {
    // Even blocks and odd blocks, whose words then lie in turn.
    const auto even = dropout_words(block + 2 * lane, s.counter, s.seed);
    const auto odd = dropout_words(block + 2 * lane + 1, s.counter, s.seed);
    for (int w = 0; w < 4; ++w) {
      const auto words = (Bits<T>)((even.word[w] & 0xFFFFFFFFu) | (odd.word[w] << 32));
      drop[w] = words < (Bits<T>{} + threshold);
    }
  }
}

template <class T>
HL_INLINE void keep_tile(const DropoutSpec& s, uint64_t block, uint32_t threshold, Vec<T> scale, const T* x, T* y) {
  for (int l = 0; l < kDropoutBlocks; l += kBlocks<T>) {
    Mask<T> drop[4];
    dropped<T>(s, block + static_cast<uint64_t>(l), threshold, drop);
    for (int w = 0; w < 4; ++w) {
      const int at = w * kDropoutBlocks + l;
      store<T>(y + at, drop[w] ? Vec<T>{} : load(x + at) * scale);
    }
  }
}

template <class T>
void keep(const DropoutSpec& s, int64_t first, int64_t n, const T* x, T* y) {
  // A word of 32 random bits is below it with a probability of `rate`.
  const auto threshold = static_cast<uint32_t>(s.rate * 0x1p32);
  const Vec<T> scale = splat(static_cast<T>(1 / (1 - s.rate)));
  uint64_t block = static_cast<uint64_t>(first) / 4;
  int64_t i = 0;
  for (; i + kDropoutTile <= n; i += kDropoutTile, block += kDropoutBlocks) {
    keep_tile<T>(s, block, threshold, scale, x + i, y + i);
  }
  if (i == n) return;
  T tile[kDropoutTile] = {};
  const auto rest = static_cast<std::size_t>(n - i) * sizeof(T);
  __builtin_memcpy(tile, x + i, rest);
  keep_tile<T>(s, block, threshold, scale, tile, tile);
  __builtin_memcpy(y + i, tile, rest);
}

}  // namespace

template <class T>
const DropoutMicro<T>& dropout_table() {
  static constexpr DropoutMicro<T> table = {keep<T>};
  return table;
}

template const DropoutMicro<float>& dropout_table<float>();
template const DropoutMicro<double>& dropout_table<double>();

}  // namespace hotloop::isa::HL_TIER
