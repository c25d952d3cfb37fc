#include "cpu/bfloat16.h"

#include <bit>

#include "runtime/threads.h"

namespace hotloop::cpu {

void round_to_bfloat16(int64_t n, const float* x, float* y) {
  parallel_ranges(n, 16 * 1024, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const auto bits = std::bit_cast<uint32_t>(x[i]);
      const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) & 0xFFFF0000u;
      const uint32_t nan = (bits | 0x00400000u) & 0xFFFF0000u;
      y[i] = std::bit_cast<float>((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
    }
  });
}

}  // namespace hotloop::cpu
