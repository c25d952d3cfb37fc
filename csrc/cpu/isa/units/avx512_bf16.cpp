// AVX512-BF16: a product of pairs in every lane, 14 x 2 registers of sums as in cpu/isa/gemm.cpp.
#include <immintrin.h>

#include "cpu/isa/units/units.h"

namespace hotloop::unit {
namespace {

constexpr int kRows = 14;

// Two neighbours of a row in every lane.
__m512bh splat_pair(const Bfloat16* pair) {
  int32_t bits;
  __builtin_memcpy(&bits, pair, sizeof(bits));
  return (__m512bh)_mm512_set1_epi32(bits);
}

void tile(int64_t k, const Bfloat16* a, int64_t a_row, const Bfloat16* panel, float* c, int64_t c_row, bool add) {
  __m512 sum[kRows][2];
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i) {
    sum[i][0] = add ? _mm512_loadu_ps(c + i * c_row) : _mm512_setzero_ps();
    sum[i][1] = add ? _mm512_loadu_ps(c + i * c_row + 16) : _mm512_setzero_ps();
  }
  for (int64_t p = 0; p < k; p += 2, panel += 2 * kColumns) {
    const auto left = (__m512bh)_mm512_loadu_si512(panel), right = (__m512bh)_mm512_loadu_si512(panel + kColumns);
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i) {
      const __m512bh pair = splat_pair(a + i * a_row + p);
      sum[i][0] = _mm512_dpbf16_ps(sum[i][0], pair, left);
      sum[i][1] = _mm512_dpbf16_ps(sum[i][1], pair, right);
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i) {
    _mm512_storeu_ps(c + i * c_row, sum[i][0]);
    _mm512_storeu_ps(c + i * c_row + 16, sum[i][1]);
  }
}

}  // namespace

const Bfloat16Unit kAvx512Bf16 = {"AVX512-BF16", false, kRows, tile};

}  // namespace hotloop::unit
