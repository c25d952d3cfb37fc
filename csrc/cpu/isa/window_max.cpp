// Channels in lanes. The maximum is taken before bias and activation: both are monotone, and there are fewer of them
// to do afterwards.
#include "cpu/isa/window_max.h"

#include "cpu/isa/vec.h"

namespace hotloop::isa::HL_TIER {
namespace {

template <class T>
using Bytes __attribute__((vector_size(kLanes<T>))) = uint8_t;

template <class T, class Width>
HL_INLINE void max_of_window(const WindowRow<T>& row, const T* window, int64_t channel, Width width, T* y,
                             uint8_t* argmax) {
  const int64_t step = row.channels, row_step = row.count * row.pool_w * row.channels;
  Vec<T> best = load_width(window + channel, width);
  Mask<T> place{};
  int position = 0;
  for (int64_t i = 0; i < row.pool_h; ++i) {
    for (int64_t j = 0; j < row.pool_w; ++j, ++position) {
      if (position == 0) continue;
      const Vec<T> value = load_width(window + i * row_step + j * step + channel, width);
      // A later NaN beats a number, nothing beats an earlier NaN.
      const Mask<T> wins = (value > best) | ((value != value) & (best == best));
      best = wins ? value : best;
      place = wins ? (Mask<T>{} + position) : place;
    }
  }
  if (row.bias != nullptr) best += load_width(row.bias + channel, width);
  store_width(y + channel, best, width);
  if (argmax == nullptr) return;
  const auto bytes = __builtin_convertvector(place, Bytes<T>);
  __builtin_memcpy(argmax + channel, &bytes, static_cast<unsigned>(width));
}

template <class T>
void max_of_windows(const WindowRow<T>& row, T* y, uint8_t* argmax) {
  for (int64_t window = 0; window < row.count; ++window) {
    const T* first = row.sums + window * row.pool_w * row.channels;
    for_vectors<T>(row.channels,
                   [&](int64_t channel, auto width) { max_of_window<T>(row, first, channel, width, y, argmax); });
    y += row.channels;
    if (argmax != nullptr) argmax += row.channels;
  }
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
