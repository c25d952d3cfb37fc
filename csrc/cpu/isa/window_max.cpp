// Channels in lanes. The maximum is taken before bias and activation: both are monotone, and there are fewer of them
// to do afterwards.
#include "cpu/isa/window_max.h"

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

// The low byte of every lane. One byte shuffle where the compiler has them; converting would go lane by lane.
template <class T, std::size_t... I>
HL_INLINE void store_low_bytes(uint8_t* to, Mask<T> lanes, std::index_sequence<I...>) {
#if __has_builtin(__builtin_shufflevector)
  typedef uint8_t Bytes __attribute__((vector_size(kVectorBytes)));
  const auto low = __builtin_shufflevector((Bytes)lanes, (Bytes)lanes, (I * sizeof(T))...);
  __builtin_memcpy(to, &low, sizeof...(I));
#else
  ((to[I] = static_cast<uint8_t>(lanes[I])), ...);
#endif
}

/// A NaN beats numbers, nothing beats an earlier NaN.
template <class T>
HL_INLINE Mask<T> wins_exactly(Vec<T> value, Vec<T> best) {
  return (value > best) | ((value != value) & (best == best));
}

// One window, `width` channels. Returns all bits set in lanes whose sum is NaN: there may be a NaN among the values.
template <bool kExact, class T, class Width>
HL_INLINE Mask<T> max_of_window(const WindowRow<T>& row, const T* window, int64_t channel, Width width, T* y,
                                uint8_t* argmax) {
  const int64_t step = row.channels, row_step = row.count * row.pool_w * row.channels;
  Vec<T> best = load_width(window + channel, width), sum = best;
  Mask<T> place{};
  int position = 0;
  for (int64_t i = 0; i < row.pool_h; ++i) {
    for (int64_t j = 0; j < row.pool_w; ++j, ++position) {
      if (position == 0) continue;
      const Vec<T> value = load_width(window + i * row_step + j * step + channel, width);
      const Mask<T> wins = kExact ? wins_exactly<T>(value, best) : value > best;
      best = wins ? value : best;
      place = wins ? (Mask<T>{} + position) : place;
      sum += value;
    }
  }
  if (row.bias != nullptr) best += load_width(row.bias + channel, width);
  store_width(y + channel, best, width);
  if (argmax != nullptr) {
    constexpr auto every_lane = std::make_index_sequence<kLanes<T>>{};
    if (width == kLanes<T>) {
      store_low_bytes<T>(argmax + channel, place, every_lane);
    } else {
      uint8_t bytes[kLanes<T>];
      store_low_bytes<T>(bytes, place, every_lane);
      for (int64_t lane = 0; lane < width; ++lane) argmax[channel + lane] = bytes[lane];
    }
  }
  return sum != sum;
}

template <bool kExact, class T>
HL_INLINE bool row_of_windows(const WindowRow<T>& row, T* y, uint8_t* argmax) {
  Mask<T> suspect{};
  for (int64_t window = 0; window < row.count; ++window) {
    const T* first = row.sums + window * row.pool_w * row.channels;
    for_vectors<T>(row.channels, [&](int64_t channel, auto width) {
      suspect |= max_of_window<kExact>(row, first, channel, width, y, argmax);
    });
    y += row.channels;
    if (argmax != nullptr) argmax += row.channels;
  }
  int64_t any = 0;
  for (int lane = 0; lane < kLanes<T>; ++lane) any |= suspect[lane];
  return any == 0;
}

// NaNs are rare and cost half as much again: a row is done without them in mind, and again where one may have been.
template <class T>
void max_of_windows(const WindowRow<T>& row, T* y, uint8_t* argmax) {
  if (!row_of_windows<false>(row, y, argmax)) row_of_windows<true>(row, y, argmax);
}

}  // namespace

template <class T>
const WindowMaxMicro<T>& window_max_table() {
  static constexpr WindowMaxMicro<T> table = {max_of_windows<T>};
  return table;
}

template const WindowMaxMicro<float>& window_max_table<float>();
template const WindowMaxMicro<double>& window_max_table<double>();

}  // namespace hotloop::isa::HL_TIER
