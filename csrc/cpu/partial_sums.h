// Sums whose bits do not depend on the number of threads: at most 16 parts, cut by size alone, added up in order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "runtime/threads.h"

namespace hotloop::cpu {

inline constexpr int64_t kMaxPartials = 16;

/// The sum of f(begin, end) -> double over [0, n) cut into at most 16 ranges, each some whole grains long.
template <class F>
double sum_of_ranges(int64_t n, int64_t grain, F&& f) {
  const int64_t grains = (n + grain - 1) / grain;
  const int64_t piece = grain * std::max<int64_t>(1, (grains + kMaxPartials - 1) / kMaxPartials);
  double partial[kMaxPartials] = {};
  parallel_ranges(n, piece, [&](int64_t begin, int64_t end) { partial[begin / piece] = f(begin, end); });
  double sum = 0;
  for (const double part : partial) sum += part;
  return sum;
}

}  // namespace hotloop::cpu
