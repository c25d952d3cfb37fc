// Pooling: the taps of a window run through registers, channels in lanes.
//
// With fewer channels than lanes, the windows that lie inside the input run in lanes side by side, whole pixels at a
// time; the others go element by element. Where the last vector would not be full it moves back over elements already
// done, which get the same values again.
#include "cpu/isa/pool.h"

#include "cpu/isa/pool_index.h"
#include "cpu/isa/vecmath.h"

namespace hotloop::isa::HL_TIER {
namespace {

#include "formulas.h"

// What runs through registers: T itself with an index beside it, or a vector of each.
template <class T, class V>
using Index = std::conditional_t<std::is_same_v<V, T>, Int<T>, Mask<T>>;

// ---- what a window comes to ---------------------------------------------------------------------------------------

// Each has a state of V, told of every tap in order, and stores what it came to.

template <class T>
struct MaxAndIndex {
  T* y;
  int32_t* indices;

  template <class V>
  struct State {
    V best;
    Index<T, V> at;
    HL_INLINE void begin(Index<T, V> first) {
      best = V{} - static_cast<T>(__builtin_inf());
      at = first;
    }
    HL_INLINE void tap(V value, Index<T, V> here) {
      const auto stay = stays(best, value);
      best = stay ? best : value;
      at = stay ? at : here;
    }
    HL_INLINE void end_row() {}
  };

  HL_INLINE void store(int64_t i, const State<Vec<T>>& state, int64_t) const {
    HL_TIER::store<T>(y + i, state.best);
    store_indices<T>(indices + i, state.at);
  }
  HL_INLINE void store(int64_t i, const State<T>& state, int64_t) const {
    y[i] = state.best;
    indices[i] = static_cast<int32_t>(state.at);
  }
};

template <class T>
struct Max {
  T* y;

  template <class V>
  struct State {
    V best;
    HL_INLINE void begin(Index<T, V>) { best = V{} - static_cast<T>(__builtin_inf()); }
    HL_INLINE void tap(V value, Index<T, V>) { best = stays(best, value) ? best : value; }
    HL_INLINE void end_row() {}
  };

  HL_INLINE void store(int64_t i, const State<Vec<T>>& state, int64_t) const { HL_TIER::store<T>(y + i, state.best); }
  HL_INLINE void store(int64_t i, const State<T>& state, int64_t) const { y[i] = state.best; }
};

template <class T>
struct Mean {
  T* y;

  // Rows are summed on their own, so that a large window loses fewer digits.
  template <class V>
  struct State {
    V row, total;
    HL_INLINE void begin(Index<T, V>) { row = total = V{}; }
    HL_INLINE void tap(V value, Index<T, V>) { row += value; }
    HL_INLINE void end_row() {
      total += row;
      row = V{};
    }
  };

  HL_INLINE void store(int64_t i, const State<Vec<T>>& state, int64_t count) const {
    HL_TIER::store<T>(y + i, state.total / splat(static_cast<T>(count)));
  }
  HL_INLINE void store(int64_t i, const State<T>& state, int64_t count) const {
    y[i] = state.total / static_cast<T>(count);
  }
};

// ---- how lanes are filled -----------------------------------------------------------------------------------------

template <class T>
struct OneElement {
  using V = T;
  HL_INLINE V operator()(const T* p) const { return *p; }
};

template <class T>
struct Neighbours {
  using V = Vec<T>;
  HL_INLINE V operator()(const T* p) const { return load(p); }
};

template <class T, int... I>
HL_INLINE Vec<T> even_of(Vec<T> low, Vec<T> high, std::integer_sequence<int, I...>) {
  constexpr int lanes = kLanes<T>;
#if __has_builtin(__builtin_shufflevector)
  return __builtin_shufflevector(low, high, (I < lanes / 2 ? 2 * I : 2 * I + 1)...);
#else
  return __builtin_shuffle(low, high, Mask<T>{(I < lanes / 2 ? 2 * I : 2 * I + 1)...});
#endif
}

// Every second element; the second load begins one early, so that it ends with the last element wanted.
template <class T>
struct EverySecond {
  using V = Vec<T>;
  HL_INLINE V operator()(const T* p) const {
    return even_of<T>(load(p), load(p + kLanes<T> - 1), std::make_integer_sequence<int, kLanes<T>>{});
  }
};

template <class T>
struct Gathered {
  using V = Vec<T>;
  int64_t offset[kLanes<T>];
  HL_INLINE V operator()(const T* p) const {
    V v;
    for (int l = 0; l < kLanes<T>; ++l) v[l] = p[offset[l]];
    return v;
  }
};

// ---- forward ------------------------------------------------------------------------------------------------------

// Taps known when compiling: the whole of a 2 x 2 window.
struct TwoTaps {
  static constexpr int64_t first = 0, last = 2;
};

// One window, B vectors side by side. `origin` is the position of tap (0, 0), inside the input or not; `lane` what
// the lanes' own pixels add to it.
template <class T>
struct Window {
  const Pool2dShape& s;
  const T* x;
  int64_t origin_row, origin_column;

  template <int B, class State, class Range, class Load, class Lane>
  HL_INLINE void scan(Range rows, Range columns, int64_t channel, const Load& load, Lane lane,
                      State (&state)[B]) const {
    using V = typename Load::V;
    const auto flat = [&](int64_t i, int64_t j) {
      return (origin_row + i * s.dilation_h) * s.w + origin_column + j * s.dilation_w;
    };
    const bool any = rows.first < rows.last && columns.first < columns.last;
    const Index<T, V> first = any ? lane + static_cast<Int<T>>(flat(rows.first, columns.first)) : Index<T, V>{} - 1;
#pragma GCC unroll 4
    for (int b = 0; b < B; ++b) state[b].begin(first);
    for (int64_t i = rows.first; i < rows.last; ++i) {
      for (int64_t j = columns.first; j < columns.last; ++j) {
        const int64_t at = flat(i, j);
        const T* p = x + at * s.c + channel;
#pragma GCC unroll 4
        for (int b = 0; b < B; ++b) state[b].tap(load(p + b * kLanes<T>), lane + static_cast<Int<T>>(at));
      }
#pragma GCC unroll 4
      for (int b = 0; b < B; ++b) state[b].end_row();
    }
  }
};

// All channels of output pixel ox.
template <class T, class Result, class Range>
HL_INLINE void pixel(const Window<T>& window, Range rows, Range columns, int64_t ox, int64_t count, const Result& out) {
  constexpr int64_t lanes = kLanes<T>, block = 4 * lanes;
  const int64_t c = window.s.c, at = ox * c;
  int64_t channel = 0;
  if (c < lanes) {
    for (; channel < c; ++channel) {
      typename Result::template State<T> state[1];
      window.scan(rows, columns, channel, OneElement<T>{}, Int<T>{}, state);
      out.store(at + channel, state[0], count);
    }
    return;
  }
  for (; channel + block <= c; channel += block) {
    typename Result::template State<Vec<T>> state[4];
    window.scan(rows, columns, channel, Neighbours<T>{}, Mask<T>{}, state);
#pragma GCC unroll 4
    for (int b = 0; b < 4; ++b) out.store(at + channel + b * lanes, state[b], count);
  }
  for (; channel < c; channel += lanes) {
    if (channel + lanes > c) channel = c - lanes;
    typename Result::template State<Vec<T>> state[1];
    window.scan(rows, columns, channel, Neighbours<T>{}, Mask<T>{}, state);
    out.store(at + channel, state[0], count);
  }
}

// Output pixels [first, last), whose columns all lie inside the input: fewer channels than lanes, but enough pixels.
template <class T, class Result, class Range, class Load>
HL_INLINE void pixels(Window<T> window, Range rows, Range columns, int64_t first, int64_t last, int64_t count,
                      const Load& load, const Result& out) {
  const Pool2dShape& s = window.s;
  const int64_t whole = kLanes<T> / s.c, touched = (kLanes<T> + s.c - 1) / s.c;
  Mask<T> lane;
  for (int l = 0; l < kLanes<T>; ++l) lane[l] = static_cast<Int<T>>(l / s.c * s.stride_w);
  for (int64_t ox = first; ox < last; ox += whole) {
    if (ox + touched > last) ox = last - touched;
    window.origin_column = ox * s.stride_w - s.pad_left;
    typename Result::template State<Vec<T>> state[1];
    window.scan(rows, columns, 0, load, lane, state);
    out.store(ox * s.c, state[0], count);
    if (ox + touched == last) break;
  }
  if (whole != touched) {  // the last pixel is there in part
    window.origin_column = (last - 1) * s.stride_w - s.pad_left;
    pixel(window, rows, columns, last - 1, count, out);
  }
}

template <class T, class Result, class Range>
HL_INLINE void inner_pixels(Window<T> window, Range rows, Range columns, int64_t first, int64_t last, int64_t count,
                            const Result& out) {
  const Pool2dShape& s = window.s;
  if (s.c >= kLanes<T> || (last - first) * s.c < kLanes<T>) {
    for (int64_t ox = first; ox < last; ++ox) {
      window.origin_column = ox * s.stride_w - s.pad_left;
      pixel(window, rows, columns, ox, count, out);
    }
  } else if (s.stride_w == 1) {
    pixels(window, rows, columns, first, last, count, Neighbours<T>{}, out);
  } else if (s.stride_w == 2 && s.c == 1) {
    pixels(window, rows, columns, first, last, count, EverySecond<T>{}, out);
  } else {
    Gathered<T> load;
    for (int l = 0; l < kLanes<T>; ++l) load.offset[l] = l / s.c * s.stride_w * s.c + l % s.c;
    pixels(window, rows, columns, first, last, count, load, out);
  }
}

// One row of the result; windows that reach over the left or right edge are clipped one by one.
template <class T, class Result>
HL_INLINE void pool_row(const Pool2dShape& s, int64_t oy, const T* x, const Result& out) {
  Window<T> window{s, x, oy * s.stride_h - s.pad_top, 0};
  const Taps rows = taps_inside(window.origin_row, s.dilation_h, s.kh, s.h);
  const int64_t row_count = averaged(window.origin_row, s.kh, s.h, s.pad_bottom, s.count_include_pad);
  const auto count_at = [&](int64_t begin) {
    const int64_t count = row_count * averaged(begin, s.kw, s.w, s.pad_right, s.count_include_pad);
    return count > 0 ? count : 1;  // a window of nothing has mean 0
  };
  const auto clipped = [&](int64_t first, int64_t last) {
    for (int64_t ox = first; ox < last; ++ox) {
      window.origin_column = ox * s.stride_w - s.pad_left;
      const Taps columns = taps_inside(window.origin_column, s.dilation_w, s.kw, s.w);
      pixel(window, rows, columns, ox, count_at(window.origin_column), out);
    }
  };
  const int64_t room = s.w + s.pad_left - s.dilation_w * (s.kw - 1) - 1;
  int64_t inner_first = (s.pad_left + s.stride_w - 1) / s.stride_w, inner_last = room < 0 ? 0 : room / s.stride_w + 1;
  if (inner_first > s.ow) inner_first = s.ow;
  if (inner_last > s.ow) inner_last = s.ow;
  if (inner_last < inner_first) inner_last = inner_first;
  clipped(0, inner_first);
  const int64_t count = count_at(0);
  if (s.kh == 2 && s.kw == 2 && rows.last - rows.first == 2) {
    inner_pixels(window, TwoTaps{}, TwoTaps{}, inner_first, inner_last, count, out);
  } else {
    inner_pixels(window, rows, Taps{0, s.kw}, inner_first, inner_last, count, out);
  }
  clipped(inner_last, s.ow);
}

template <class T>
void max_row(const Pool2dShape& s, int64_t oy, const T* x, T* y, int32_t* indices) {
  const int64_t at = oy * s.ow * s.c;
  if (indices != nullptr) {
    pool_row(s, oy, x, MaxAndIndex<T>{y + at, indices + at});
  } else {
    pool_row(s, oy, x, Max<T>{y + at});
  }
}

template <class T>
void avg_row(const Pool2dShape& s, int64_t oy, const T* x, T* y) {
  pool_row(s, oy, x, Mean<T>{y + oy * s.ow * s.c});
}

}  // namespace

template <class T>
const PoolMicro<T>& pool_table() {
  static constexpr PoolMicro<T> table = {max_row<T>, avg_row<T>};
  return table;
}

template const PoolMicro<float>& pool_table<float>();
template const PoolMicro<double>& pool_table<double>();

}  // namespace hotloop::isa::HL_TIER
