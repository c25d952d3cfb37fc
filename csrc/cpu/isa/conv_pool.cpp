// Filters in lanes, a window's pixels in rows: the unpooled map is never written. The maximum is taken before bias and
// activation: both are monotone, and there are fewer of them to do afterwards.
#include "cpu/isa/conv_pool.h"

#include "cpu/isa/best.h"

namespace hotloop::isa::HL_TIER {
namespace {

inline constexpr int kPixels = 4;  // summed up at a time
// Windows of at most kPixels pixels that are summed up at a time, so that the sums hide each other's latency.
inline constexpr int kWindows = HL_VECTOR_REGISTERS >= 32 ? 2 : 1;
#if __has_builtin(__builtin_shuffle)
// Whether a vector of places picks from a table in one instruction.
template <class T>
inline constexpr bool kPicks = kVectorBytes == 64 || (kVectorBytes == 32 && sizeof(T) == 4);
template <class T>
HL_INLINE Vec<T> pick(Vec<T> table, Mask<T> place) {
  return __builtin_shuffle(table, place);
}
#else  // Clang shuffles by constants alone
template <class T>
inline constexpr bool kPicks = false;
template <class T>
HL_INLINE Vec<T> pick(Vec<T> table, Mask<T>) {
  return table;
}
#endif
inline constexpr int kBlockTaps = HL_VECTOR_REGISTERS >= 32 ? 12 : 6;  // whose weight gradients are summed up at a time

// sum[r] = products of the patches that begin at row[r] with the panel.
template <int M, class T>
HL_INLINE void sum_patches(const WindowRow<T>& windows, const T* const (&row)[M], const T* panel,
                           Vec<T> (&sum)[M][kVectors]) {
  const auto add = [&](int64_t begin, int64_t end, Vec<T>(&to)[M][kVectors]) __attribute__((always_inline)) {
    for (int64_t d = begin; d < end; ++d) {
      const int64_t tap = windows.tap[d];
      Vec<T> weight[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) weight[v] = load(panel + d * kColumns<T> + v * kLanes<T>);
#pragma GCC unroll 8
      for (int r = 0; r < M; ++r) {
        const Vec<T> x = splat(row[r][tap]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) to[r][v] += x * weight[v];
      }
    }
  };
#pragma GCC unroll 8
  for (int r = 0; r < M; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) sum[r][v] = Vec<T>{};
  add(0, windows.depth < kShortSum ? windows.depth : kShortSum, sum);
  for (int64_t d = kShortSum; d < windows.depth; d += kShortSum) {
    Vec<T> part[M][kVectors] = {};
    add(d, d + kShortSum < windows.depth ? d + kShortSum : windows.depth, part);
    for (int r = 0; r < M; ++r)
      for (int v = 0; v < kVectors; ++v) sum[r][v] += part[r][v];
  }
}

// W windows from the one that begins at `first`, P of their pixels from `begin` on.
template <bool kExact, int W, int P, class T>
HL_INLINE void sum_pixels(const WindowRow<T>& windows, const T* first, int64_t begin, const T* panel,
                          Best<T> (&best)[W]) {
  const T* row[W * P];
  Vec<T> sum[W * P][kVectors];
#pragma GCC unroll 8
  for (int r = 0; r < W * P; ++r) row[r] = first + r / P * windows.step + windows.pixel[begin + r % P];
  sum_patches<W * P>(windows, row, panel, sum);
#pragma GCC unroll 8
  for (int r = 0; r < W * P; ++r) take_in<kExact>(sum[r], begin + r % P, best[r / P]);
}

// Returns whether no NaN can have been among the sums.
template <bool kExact, class T>
HL_INLINE bool row_of_windows(const WindowRow<T>& windows, const T* panel, const PanelEnd<T>& end, T* y,
                              uint8_t* argmax, int64_t y_row) {
  Mask<T> suspect{};
  const auto take = [&]<int W>(int64_t k, std::integral_constant<int, W>) __attribute__((always_inline)) {
    const T* first = windows.image + k * windows.step;
    Best<T> best[W] = {};
    int64_t pixel = 0;
    for (; pixel + kPixels <= windows.pixels; pixel += kPixels) {
      sum_pixels<kExact, W, kPixels>(windows, first, pixel, panel, best);
    }
    for (; pixel < windows.pixels; ++pixel) sum_pixels<kExact, W, 1>(windows, first, pixel, panel, best);
#pragma GCC unroll 2
    for (int w = 0; w < W; ++w) {
      store_best(best[w], end, y + (k + w) * y_row, argmax != nullptr ? argmax + (k + w) * y_row : nullptr);
      for (int v = 0; v < kVectors; ++v) suspect |= best[w].sum[v] != best[w].sum[v];
    }
  };
  int64_t k = 0;
  for (; k + kWindows <= windows.count; k += kWindows) take(k, std::integral_constant<int, kWindows>{});
  if constexpr (kWindows > 1) {
    for (; k < windows.count; ++k) take(k, std::integral_constant<int, 1>{});
  }
  return !any(suspect);
}

// NaNs are rare and cost half as much again: a row is done without them in mind, and again where one may have been.
template <class T>
void max_of_windows(const WindowRow<T>& windows, const T* panel, const T* bias, int n, bool relu, T* y, uint8_t* argmax,
                    int64_t y_row) {
  T biases[kColumns<T>];
  for (int j = 0; j < kColumns<T>; ++j) biases[j] = bias != nullptr && j < n ? bias[j] : T{};
  const PanelEnd<T> end = {biases, n, relu};
  if (!row_of_windows<false>(windows, panel, end, y, argmax, y_row)) {
    row_of_windows<true>(windows, panel, end, y, argmax, y_row);
  }
}

// The gradients of M taps from `tap` on stay in registers over the whole row.
template <int M, class T>
void add_taps(const WindowRow<T>& windows, const int64_t* tap, const T* dy, const uint8_t* argmax, int64_t y_row, int n,
              T* sum) {
  constexpr int lanes = kLanes<T>;
  Vec<T> total[M][kVectors];
  const T* from[M];
#pragma GCC unroll 16
  for (int t = 0; t < M; ++t) {
    from[t] = windows.image + tap[t];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) total[t][v] = load(sum + t * kColumns<T> + v * lanes);
  }
  const bool worth_picking = kPicks<T> && windows.pixels <= 4;
  const int64_t last[4] = {windows.pixel[0], windows.pixel[windows.pixels > 1 ? 1 : 0],
                           windows.pixel[windows.pixels > 2 ? 2 : 0], windows.pixel[windows.pixels > 3 ? 3 : 0]};
  T last_dy[kColumns<T>] = {};
  uint8_t last_argmax[kColumns<T>] = {};
  for (int64_t k = 0; k < windows.count; ++k, dy += y_row, argmax += y_row) {
    const T* gradients = dy;
    const uint8_t* places = argmax;
    if (n < kColumns<T>) {
      for (int j = 0; j < n; ++j) last_dy[j] = dy[j];
      for (int j = 0; j < n; ++j) last_argmax[j] = argmax[j];
      gradients = last_dy;
      places = last_argmax;
    }
    Vec<T> gradient[kVectors];
    Mask<T> place[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      gradient[v] = load(gradients + v * lanes);
      place[v] = load_bytes<T>(places + v * lanes);
    }
    // Up to four pixels: a table of them, from which every column takes its own.
    if (worth_picking) {
#pragma GCC unroll 16
      for (int t = 0; t < M; ++t) {
        const T* x = from[t] + k * windows.step;
        Vec<T> table{};
#pragma GCC unroll 4
        for (int p = 0; p < 4 && p < lanes; ++p) table[p] = x[last[p]];
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) total[t][v] += gradient[v] * pick<T>(table, place[v]);
      }
      continue;
    }
    for (int64_t p = 0; p < windows.pixels; ++p) {
      const int64_t at = k * windows.step + windows.pixel[p];
      Vec<T> here[kVectors];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) {
        here[v] = place[v] == static_cast<typename VectorTypes<T>::Int>(p) ? gradient[v] : Vec<T>{};
      }
#pragma GCC unroll 16
      for (int t = 0; t < M; ++t) {
        const Vec<T> x = splat(from[t][at]);
#pragma GCC unroll 2
        for (int v = 0; v < kVectors; ++v) total[t][v] += x * here[v];
      }
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < M; ++t)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store<T>(sum + t * kColumns<T> + v * lanes, total[t][v]);
}

template <class T, int... M>
HL_INLINE void add_some_taps(int64_t taps, const WindowRow<T>& windows, const int64_t* tap, const T* dy,
                             const uint8_t* argmax, int64_t y_row, int n, T* sum, std::integer_sequence<int, M...>) {
  using Add = void (*)(const WindowRow<T>&, const int64_t*, const T*, const uint8_t*, int64_t, int, T*);
  static constexpr Add add[] = {add_taps<M + 1, T>...};
  add[taps - 1](windows, tap, dy, argmax, y_row, n, sum);
}

// In passes of about the same number of taps.
template <class T>
void add_weight_grad(const WindowRow<T>& windows, const T* dy, const uint8_t* argmax, int64_t y_row, int n, T* sum) {
  int64_t done = 0;
  for (int64_t passes = (windows.depth + kBlockTaps - 1) / kBlockTaps; passes > 0; --passes) {
    const int64_t taps = (windows.depth - done + passes - 1) / passes;
    add_some_taps(taps, windows, windows.tap + done, dy, argmax, y_row, n, sum + done * kColumns<T>,
                  std::make_integer_sequence<int, kBlockTaps>{});
    done += taps;
  }
}

}  // namespace

template <class T>
const ConvPoolMicro<T>& conv_pool_table() {
  static constexpr ConvPoolMicro<T> table = {max_of_windows<T>, add_weight_grad<T>};
  return table;
}

template const ConvPoolMicro<float>& conv_pool_table<float>();
template const ConvPoolMicro<double>& conv_pool_table<double>();

}  // namespace hotloop::isa::HL_TIER
