#include "cpu/isa/bfloat16.h"

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

/// The bits of x rounded; the lower halves are zero.
HL_INLINE Bits<float> rounded(Vec<float> x) {
  const auto bits = (Bits<float>)x;
  const Bits<float> nearest = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u, nan = (bits | 0x400000) & 0xffff0000u;
  return x == x ? nearest : nan;
}

void round(int64_t n, const float* x, float* y) {
  map_vectors<float>(n, y, [&](int64_t i, auto width) { return (Vec<float>)rounded(load_width(x + i, width)); });
}

void round_to_halves(int64_t n, const float* x, uint16_t* y) {
  typedef uint16_t Halves __attribute__((vector_size(kVectorBytes / 2)));
  for_vectors<float>(n, [&](int64_t i, auto width) __attribute__((always_inline)) {
    const Halves halves = __builtin_convertvector(rounded(load_width(x + i, width)) >> 16, Halves);
    __builtin_memcpy(y + i, &halves, static_cast<unsigned long>(width) * sizeof(uint16_t));
  });
}

void round_to_pairs(int64_t rows, int64_t cols, const float* x, int64_t x_row, uint16_t* y, int64_t stride) {
  for (int64_t p = 0; p < rows; p += 2, x += 2 * x_row, y += 2 * stride) {
    for_vectors<float>(cols, [&](int64_t j, auto width) __attribute__((always_inline)) {
      const Bits<float> first = rounded(load_width(x + j, width)) >> 16;
      const Bits<float> second = p + 1 < rows ? rounded(load_width(x + x_row + j, width)) : Bits<float>{};
      const Bits<float> pairs = first | second;
      __builtin_memcpy(y + 2 * j, &pairs, static_cast<unsigned long>(width) * sizeof(float));
    });
  }
}

}  // namespace

template <class T>
const Bfloat16Micro<T>& bfloat16_table() {
  static constexpr Bfloat16Micro<T> table = {round, round_to_halves, round_to_pairs};
  return table;
}

template const Bfloat16Micro<float>& bfloat16_table<float>();

}  // namespace hotloop::isa::HL_TIER
