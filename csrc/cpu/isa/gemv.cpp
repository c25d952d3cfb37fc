// Memory sets the pace here: several rows at a time, each read from end to end.
#include "cpu/isa/gemv.h"

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

template <int rows, class T>
HL_INLINE void dot_block(int64_t k, const T* a, int64_t a_row, const T* x, bool add, T* y) {
  constexpr int64_t lanes = kLanes<T>;
  Vec<T> sum[rows][2] = {};
  int64_t p = 0;
  for (; p + 2 * lanes <= k; p += 2 * lanes) {
    const Vec<T> first = load(x + p), second = load(x + p + lanes);
#pragma GCC unroll 4
    for (int i = 0; i < rows; ++i) {
      sum[i][0] += load(a + i * a_row + p) * first;
      sum[i][1] += load(a + i * a_row + p + lanes) * second;
    }
  }
  for (; p < k; p += lanes) {
    const int64_t n = k - p < lanes ? k - p : lanes;
#pragma GCC unroll 4
    for (int i = 0; i < rows; ++i) sum[i][0] += load_part(a + i * a_row + p, n) * load_part(x + p, n);
  }
#pragma GCC unroll 4
  for (int i = 0; i < rows; ++i) {
    const T total = horizontal_sum<T>(sum[i][0] + sum[i][1]);
    y[i] = add ? y[i] + total : total;
  }
}

template <class T>
void dots(int64_t n, int64_t k, const T* a, int64_t a_row, const T* x, bool add, T* y) {
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) dot_block<4>(k, a + i * a_row, a_row, x, add, y + i);
  for (; i < n; ++i) dot_block<1>(k, a + i * a_row, a_row, x, add, y + i);
}

/// y (n) = `rows` scaled rows of a, added to what y holds where `add`.
template <int rows, class T>
HL_INLINE void row_block(int64_t n, const T* a, int64_t a_row, const T* x, bool add, T* y) {
  Vec<T> factor[rows];
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) factor[r] = splat(x[r]);
  map_vectors<T>(n, y, [&](int64_t j, auto width) {
    Vec<T> sum = factor[0] * load_width(a + j, width);
#pragma GCC unroll 8
    for (int r = 1; r < rows; ++r) sum += factor[r] * load_width(a + r * a_row + j, width);
    return add ? load_width(y + j, width) + sum : sum;
  });
}

constexpr int64_t kColumns = 1024;  // results at a time: they stay in the first cache

template <class T>
void scaled_rows(int64_t n, int64_t k, const T* a, int64_t a_row, const T* x, bool add, T* y) {
  T part[kColumns];
  for (int64_t j = 0; j < n; j += kColumns) {
    const int64_t width = n - j < kColumns ? n - j : kColumns;
    T* const sum = add ? part : y + j;
    int64_t p = 0;
    for (; p + 8 <= k; p += 8) row_block<8>(width, a + p * a_row + j, a_row, x + p, p > 0, sum);
    for (; p < k; ++p) row_block<1>(width, a + p * a_row + j, a_row, x + p, p > 0, sum);
    if (add)
      map_vectors<T>(width, y + j,
                     [&](int64_t i, auto w) { return load_width(y + j + i, w) + load_width(sum + i, w); });
  }
}

}  // namespace

template <class T>
const GemvMicro<T>& gemv_table() {
  static constexpr GemvMicro<T> table = {dots<T>, scaled_rows<T>};
  return table;
}

template const GemvMicro<float>& gemv_table<float>();
template const GemvMicro<double>& gemv_table<double>();

}  // namespace hotloop::isa::HL_TIER
