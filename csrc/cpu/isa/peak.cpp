#include "cpu/isa/peak.h"

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

// Two products a cycle with a latency of four or five want ten chains in flight; these and two constants fill the 16
// registers of the smallest tier.
inline constexpr int kChains = 14;

template <class T>
T multiply_add(int64_t rounds) {
  Vec<T> sum[kChains];
  const Vec<T> factor = splat(T(0.999)), step = splat(T(0.001));
#pragma GCC unroll 16
  for (int i = 0; i < kChains; ++i) sum[i] = splat(T(i));
  for (int64_t round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kChains; ++i) sum[i] = sum[i] * factor + step;
  }
#pragma GCC unroll 16
  for (int i = 1; i < kChains; ++i) sum[0] += sum[i];
  return horizontal_sum<T>(sum[0]);
}

template <class T>
void copy(int64_t n, const T* x, T* y) {
  for_vectors<T>(n, [&](int64_t i, auto width) { store_width(y + i, load_width(x + i, width), width); });
}

}  // namespace

template <class T>
const PeakMicro<T>& peak_table() {
  static constexpr PeakMicro<T> table = {2 * kChains * kLanes<T>, multiply_add<T>, copy<T>};
  return table;
}

template const PeakMicro<float>& peak_table<float>();
template const PeakMicro<double>& peak_table<double>();

}  // namespace hotloop::isa::HL_TIER
