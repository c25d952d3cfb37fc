// Choices between two operands, and arrays of one value.
#include <algorithm>

#include "backend.h"
#include "runtime/threads.h"

namespace hotloop::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;  // elements: a few microseconds of work

// With the steps known here the compiler makes vectors of it.
template <int a_step, int b_step, class T>
void choose(int64_t begin, int64_t end, const uint8_t* condition, const T* a, const T* b, T* y) {
  for (int64_t i = begin; i < end; ++i) {
    const T left = a[i * a_step], right = b[i * b_step];
    y[i] = condition[i] != 0 ? left : right;
  }
}

}  // namespace

template <class T>
Status select(const SelectShape& s, const uint8_t* condition, const T* a, const T* b, T* y) {
  constexpr decltype(&choose<0, 0, T>) ways[2][2] = {{choose<0, 0, T>, choose<0, 1, T>},
                                                     {choose<1, 0, T>, choose<1, 1, T>}};
  const auto way = ways[s.a_whole][s.b_whole];
  parallel_ranges(s.n, kGrain, [&](int64_t begin, int64_t end) { way(begin, end, condition, a, b, y); });
  return kOk;
}

template <class T>
Status full(int64_t n, double value, T* y) {
  parallel_ranges(n, kGrain, [&](int64_t begin, int64_t end) { std::fill(y + begin, y + end, static_cast<T>(value)); });
  return kOk;
}

template Status select<float>(const SelectShape&, const uint8_t*, const float*, const float*, float*);
template Status select<double>(const SelectShape&, const uint8_t*, const double*, const double*, double*);
template Status full<float>(int64_t, double, float*);
template Status full<double>(int64_t, double, double*);

}  // namespace hotloop::cpu
